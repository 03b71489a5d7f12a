/** Prometheus metrics over HTTP: HAProxy is asked when somebody scrapes. */
import { createServer, type Server } from 'node:http'
import type { Send } from '../haproxy/socket.ts'
import type { Settings } from '../settings.ts'
import { renderMetrics } from './render.ts'

export interface MetricsOptions {
  readonly addresses: readonly string[]
  readonly port: number
  readonly settings: Settings
  readonly send: Send
  readonly counts: () => { readonly reloads: number; readonly patches: number }
}

export async function serveMetrics(options: MetricsOptions): Promise<{ close(): Promise<void> }> {
  const { addresses, port, settings, send, counts } = options
  const servers: Server[] = []
  for (const address of addresses) {
    const server = createServer((request, response) => {
      if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end('404 page not found\n')
      send('show stat\n').then(
        text =>
          response
            .writeHead(200, { 'content-type': 'text/plain; version=0.0.4' })
            .end(renderMetrics(text, settings, counts())),
        error => response.writeHead(503).end(`${(error as Error).message}\n`),
      )
    })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, address, resolve))
    servers.push(server)
  }
  return {
    async close() {
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}
