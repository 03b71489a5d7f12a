/** Which connections of the API server go through a tunnel (--egress-selector-mode; K3s: pkg/daemons/control/tunnel.go). */
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { Counter, Histogram, labelText, type Metric, reading } from '../metrics.ts'
import type { AddressIndex } from './addresses.ts'
import { authorityOf, type Target } from './protocol.ts'
import type { Tunnels } from './tunnels.ts'

export interface EgressOptions {
  readonly mode: string
  /** The node in this process, which is dialled directly. */
  readonly localNode: string | undefined
  /** The server's own port, for messages. */
  readonly port: number
  readonly tunnels: Tunnels
  readonly index: AddressIndex
  readonly log: { warn(fields: object, message: string): void }
}

export interface Egress {
  /** A connection to the node's kubelet through its tunnel; undefined where kubelets are dialled directly. */
  toKubelet(node: string, kubelet: Target): Promise<Duplex> | undefined
  /** A connection through the tunnel of the node that has the address; undefined where it is to be dialled directly. */
  through(host: string, port: number): Promise<Duplex> | undefined
  readonly metrics: readonly Metric[]
}

const dialMs = 15_000
const streamPort = 10010
const loopback = '127.0.0.1'
const series = labelText({ protocol: 'http_connect', transport: 'tcp' })

export function createEgress({ mode, localNode, port: ownPort, tunnels, index, log }: EgressOptions): Egress {
  const started = new Counter('apiserver_egress_dialer_dial_start_total', 'Dials started through the tunnels of agents')
  const failed = new Counter(
    'apiserver_egress_dialer_dial_failure_count',
    'Dials through the tunnels of agents that failed',
  )
  const lasted = new Histogram(
    'apiserver_egress_dialer_dial_duration_seconds',
    'Duration of dials through the tunnels of agents',
    [0.005, 0.025, 0.1, 0.5, 2.5, 12.5],
  )
  const sessions = reading(
    'gauge',
    'skiff_tunnel_sessions',
    'Tunnels that agents have open to this server',
    function* () {
      for (const [node, count] of tunnels.counts()) yield [labelText({ node }), count] as const
    },
  )

  async function dial(node: string, target: Target): Promise<Duplex> {
    const began = performance.now()
    started.add(series)
    try {
      const stream = await tunnels.dial(node, target.host, target.port, AbortSignal.timeout(dialMs))
      lasted.observe(series, (performance.now() - began) / 1000)
      return stream
    } catch (error) {
      failed.add(labelText({ protocol: 'http_connect', stage: 'proxy', transport: 'tcp' }))
      throw error
    }
  }

  /** In the words of upstream's egress dialer, which K3s' users know. */
  async function toKubelet(node: string, kubelet: Target): Promise<Duplex> {
    try {
      return await dial(node, { host: loopback, port: kubelet.port })
    } catch (error) {
      const target = authorityOf(kubelet)
      log.warn({ node, target, reason: (error as Error).message }, 'cannot reach the kubelet through its tunnel')
      throw new Error(`proxy error from ${loopback}:${ownPort} while dialing ${target}, code 502: 502 Bad Gateway`)
    }
  }

  async function orDirectly(node: string, target: Target): Promise<Duplex> {
    try {
      return await dial(node, target)
    } catch (error) {
      log.warn({ node, target: authorityOf(target), reason: (error as Error).message }, 'dialling past the tunnel')
      return connect({ ...target, allowHalfOpen: true, noDelay: true })
    }
  }

  return {
    toKubelet: (node, kubelet) => (mode === 'disabled' || node === localNode ? undefined : toKubelet(node, kubelet)),
    through(host, port) {
      const found = mode === 'disabled' ? undefined : index.locate(host)
      if (!found || found.node === localNode) return undefined
      const { node, kubeletPort } = found
      if (kubeletPort !== undefined && (port === kubeletPort || port === streamPort))
        return toKubelet(node, { host, port })
      return index.allowsEgress(node) ? orDirectly(node, { host, port }) : undefined
    },
    metrics: [started, failed, lasted, sessions],
  }
}
