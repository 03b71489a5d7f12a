/** GET /healthz of the service table, where kube-proxy has it (kubernetes/kubernetes pkg/proxy/healthcheck). */
import { createServer } from 'node:http'

export interface ProxyHealth {
  /** When the kernel's table was last found right or made so; milliseconds since the epoch, 0 for never. */
  readonly updatedAt: number
  /** Since when a change waits to be applied; undefined when none does. */
  readonly pendingSince: number | undefined
}

export interface ProxyHealthDeps {
  readonly health: () => ProxyHealth
  readonly now: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/** A change that waits longer is a failure; upstream's, twice its full sync period. */
const patienceMs = 60_000

/** Listens on loopback until aborted. A port that is taken is logged; nothing else depends on this. */
export function serveProxyHealth(port: number, { health, now, log }: ProxyHealthDeps, signal: AbortSignal): void {
  const server = createServer((request, response) => {
    if (request.url !== '/healthz' && request.url !== '/livez') return void response.writeHead(404).end()
    const { updatedAt, pendingSince } = health()
    const healthy = updatedAt > 0 && (pendingSince === undefined || now() - pendingSince < patienceMs)
    const lastUpdated = new Date(healthy ? now() : updatedAt).toISOString()
    const body = { lastUpdated, currentTime: new Date(now()).toISOString(), nodeEligible: true }
    response.writeHead(healthy ? 200 : 503, { 'Content-Type': 'application/json', 'X-Content-Type-Options': 'nosniff' })
    response.end(JSON.stringify(body))
  })
  server.on('error', error => log.warn({ port, error: error.message }, 'no health check of the service table'))
  server.listen(port, '127.0.0.1')
  server.unref()
  signal.addEventListener('abort', () => {
    server.close()
    server.closeAllConnections()
  })
}
