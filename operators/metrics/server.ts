/** The HTTPS server of metrics.k8s.io and of the module's own health and metrics. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { errors, StatusError } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { decide, type FrontProxyTrust } from './access.ts'
import { documentAt } from './discovery.ts'
import { answerMetrics, isMetricsPath, type MetricsApiDeps } from './metrics-api.ts'

export interface ServerDeps extends MetricsApiDeps {
  readonly client: Client
  readonly trust: FrontProxyTrust
  /** PEM */
  readonly identity: { readonly cert: string; readonly key: string }
  /** Somebody wants metrics; resolves when there is no sense in waiting for newer ones. */
  readonly asked: () => Promise<void>
  /** The container's health: rounds are made in time. */
  readonly timely: () => boolean
  readonly log: (text: string) => void
}

export interface MetricsServer {
  close(): void
}

/** Resolves once the port is open. */
export async function serveMetrics(deps: ServerDeps, host: string, port: number): Promise<MetricsServer> {
  const { identity, trust } = deps
  const context = () => ({ ...identity, ...(trust.ca === '' ? {} : { ca: trust.ca }) })
  const server = createServer({ ...context(), requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
  trust.onChange(() => server.setSecureContext(context()))
  server.on('request', (request, response) => {
    answer(deps, request, response).catch((error: unknown) => fail(deps, response, error))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer(deps: ServerDeps, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'https://metrics')
  if (health(deps, path, response)) return
  const verdict = await decide(request, deps.trust, deps.client)
  if (verdict === 'unauthorized') throw errors.unauthorized()
  if (verdict === 'forbidden') throw errors.forbidden({ group: '', resource: '' }, '', `cannot get path ${path}`)
  const { method = 'GET' } = request
  const accept = request.headers.accept ?? ''
  if (isMetricsPath(path)) {
    await deps.asked()
    const asked = { method, path: decodeURIComponent(path), query, accept }
    const type = accept.includes('as=Table') ? 'application/json;as=Table;v=v1;g=meta.k8s.io' : 'application/json'
    return json(response, 200, await answerMetrics(deps, asked), type)
  }
  const document = documentAt(path.replace(/(?<=.)\/+$/, ''), accept)
  if (!document) throw errors.unknownPath()
  json(response, 200, document.body, document.type)
}

/** Health is for everybody. */
function health({ usage, timely }: ServerDeps, path: string, response: ServerResponse): boolean {
  const failed = {
    '/readyz': !usage.ready && 'metric-storage-ready',
    '/livez': !timely() && 'metric-collection-timely',
  }
  if (path === '/healthz' || path === '/livez' || path === '/readyz') {
    const check = failed[path as keyof typeof failed]
    const text = check ? `[-]${check} failed: reason withheld\n${path.slice(1)} check failed\n` : 'ok'
    response.writeHead(check ? 500 : 200, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
    return true
  }
  return false
}

function json(response: ServerResponse, status: number, body: object, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache, private' })
  response.end(`${JSON.stringify(body)}\n`)
}

function fail({ log }: ServerDeps, response: ServerResponse, error: unknown): void {
  const status = error instanceof StatusError ? error : errors.internal((error as Error).message)
  if (!(error instanceof StatusError)) log(`request failed: ${(error as Error).message}`)
  if (response.headersSent) response.destroy()
  else json(response, status.code, status.status)
}
