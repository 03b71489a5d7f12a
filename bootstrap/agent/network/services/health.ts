/**
 * Health check ports of services with externalTrafficPolicy Local: load balancers outside ask each node whether it has
 * endpoints (kubernetes/kubernetes pkg/proxy/healthcheck).
 */
import { createServer, type Server } from 'node:http'
import type { Service } from '../../../client/resources.ts'
import type { ServiceRule } from './rules.ts'

export interface HealthDeps {
  readonly log: { warn(fields: object, message: string): void }
  /** Tells the service's owner that the port could not be opened. */
  readonly failed: (service: Service, message: string) => void
  readonly node: string
}

interface Check {
  readonly port: number
  readonly server: Server
  endpoints: number
}

export class ServiceHealth {
  readonly #deps: HealthDeps
  readonly #checks = new Map<string, Check>()

  constructor(deps: HealthDeps) {
    this.#deps = deps
  }

  /** Opens and closes ports as the services want, and notes how many endpoints each has here. */
  update(services: readonly Service[], rules: readonly ServiceRule[]): void {
    const local = new Map<string, Set<string>>()
    for (const { id, endpoints } of rules) {
      const service = id.slice(0, id.lastIndexOf(':'))
      const ips = local.get(service) ?? new Set()
      local.set(service, ips)
      for (const endpoint of endpoints) if (endpoint.local) ips.add(endpoint.ip)
    }
    const wanted = new Map(services.flatMap(service => (portOf(service) ? [[nameOf(service), service] as const] : [])))
    for (const [name, { port, server }] of this.#checks) {
      if (wanted.has(name) && portOf(wanted.get(name)!) === port) continue
      server.close()
      server.closeAllConnections()
      this.#checks.delete(name)
    }
    for (const [name, service] of wanted) {
      const check = this.#checks.get(name) ?? this.#open(name, service)
      check.endpoints = local.get(name)?.size ?? 0
    }
  }

  close(): void {
    this.update([], [])
  }

  #open(name: string, service: Service): Check {
    const port = portOf(service)
    const server = createServer((_, response) => {
      const { endpoints } = check
      response.writeHead(endpoints > 0 ? 200 : 503, {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(endpoints),
      })
      response.end(body(service, endpoints))
    })
    const check: Check = { port, server, endpoints: 0 }
    this.#checks.set(name, check)
    server.on('error', error => {
      const message = `node ${this.#deps.node} failed to start healthcheck "${name}" on port ${port}: ${error.message}`
      this.#deps.log.warn({ service: name, port }, message)
      this.#deps.failed(service, message)
      // Forgotten, so that the next change tries again.
      if (this.#checks.get(name) === check) this.#checks.delete(name)
    })
    server.listen(port)
    server.unref()
    return check
  }
}

const nameOf = ({ metadata }: Service): string => `${metadata.namespace}/${metadata.name}`

/** 0 for none. */
function portOf({ spec }: Service): number {
  if (spec.type !== 'LoadBalancer' || spec.externalTrafficPolicy !== 'Local') return 0
  return spec.healthCheckNodePort ?? 0
}

function body({ metadata: { namespace = '', name = '' } }: Service, localEndpoints: number): string {
  return JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }, null, '\t')
}
