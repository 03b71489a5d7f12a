/** K3s' metrics of its load balancers. */
import { Histogram, labelText, type Metric, reading } from '../metrics.ts'
import type { PoolServer } from './pool.ts'
import { healthValue } from './server-state.ts'

export interface BalancerMetrics {
  readonly all: readonly Metric[]
  dialed(status: 'success' | 'error', ms: number): void
}

const buckets = Array.from({ length: 15 }, (_, at) => 0.001 * 2 ** at)

export function balancerMetrics(name: string, servers: () => Iterable<PoolServer>): BalancerMetrics {
  const dials = new Histogram(
    'k3s_loadbalancer_dial_duration_seconds',
    'Time taken to dial a connection to a backend server',
    buckets,
  )
  const gauge = (metric: string, help: string, value: (server: PoolServer) => number) =>
    reading('gauge', metric, help, function* () {
      for (const server of servers()) yield [labelText({ name, server: server.address }), value(server)] as const
    })
  return {
    all: [
      gauge(
        'k3s_loadbalancer_server_connections',
        'Count of current connections to loadbalancer server',
        server => server.connections.size,
      ),
      gauge('k3s_loadbalancer_server_health', 'Current health value of loadbalancer server', server =>
        healthValue(server.state),
      ),
      dials,
    ],
    dialed: (status, ms) => dials.observe(labelText({ name, status }), ms / 1000),
  }
}
