/** The HTTP endpoints: health, ready, metrics. They outlive a reload that still names them. */
import { createServer, type Server } from 'node:http'
import type { Endpoint } from '../plugins/plugin.ts'

export type EndpointAnswer = () => { readonly status: number; readonly text: string }

const paths: { readonly [kind in Endpoint['kind']]: string } = {
  health: '/health',
  ready: '/ready',
  metrics: '/metrics',
}

export class Endpoints {
  readonly #hosts: readonly string[]
  readonly #answers: { readonly [kind in Endpoint['kind']]: EndpointAnswer }
  readonly #open = new Map<string, readonly Server[]>()
  #lameduckMs = 0

  constructor(hosts: readonly string[], answers: { readonly [kind in Endpoint['kind']]: EndpointAnswer }) {
    this.#hosts = hosts
    this.#answers = answers
  }

  /** Opens what is new and closes what is no longer wanted. Rejects when a port is taken. */
  async set(endpoints: readonly Endpoint[]): Promise<void> {
    this.#lameduckMs = Math.max(0, ...endpoints.map(({ lameduckMs }) => lameduckMs))
    for (const { kind, port } of endpoints) {
      const key = `${kind} ${port}`
      if (!this.#open.has(key)) this.#open.set(key, await this.#listen(kind, port))
    }
    const wanted = new Set(endpoints.map(({ kind, port }) => `${kind} ${port}`))
    for (const [key, servers] of this.#open) {
      if (wanted.has(key)) continue
      this.#open.delete(key)
      shut(servers)
    }
  }

  get lameduckMs(): number {
    return this.#lameduckMs
  }

  close(): void {
    for (const servers of this.#open.values()) shut(servers)
    this.#open.clear()
  }

  async #listen(kind: Endpoint['kind'], port: number): Promise<Server[]> {
    const servers: Server[] = []
    try {
      for (const host of this.#hosts) servers.push(await this.#listenOn(kind, port, host))
      return servers
    } catch (error) {
      shut(servers)
      throw error
    }
  }

  async #listenOn(kind: Endpoint['kind'], port: number, host: string): Promise<Server> {
    const server = createServer((request, response) => {
      const known = request.url?.replace(/\?.*/, '') === paths[kind]
      const { status, text } = known ? this.#answers[kind]() : { status: 404, text: '404 page not found\n' }
      const type =
        kind === 'metrics' && known ? 'text/plain; version=0.0.4; charset=utf-8' : 'text/plain; charset=utf-8'
      response.writeHead(status, { 'content-type': type }).end(text)
    })
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
    return server
  }
}

function shut(servers: readonly Server[]): void {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
}
