/** etcd's own configuration file, as K3s renders it to server/db/etcd/config. */
import { join } from 'node:path'
import { formatYaml } from '../api/yaml.ts'
import type { EtcdFiles } from './files.ts'

export interface MemberSettings {
  readonly files: EtcdFiles
  readonly name: string
  /** The node's address, by which the other members and joining servers reach this one. */
  readonly address: string
  /** Where this server itself reaches it. */
  readonly loopback: string
  readonly ports: EtcdPorts
  readonly exposeMetrics: boolean
  readonly debug: boolean
  /** "name=value" each, over everything else. */
  readonly args: readonly string[]
}

export interface EtcdPorts {
  readonly client: number
  readonly peer: number
  readonly metrics: number
}

export const etcdPorts: EtcdPorts = { client: 2379, peer: 2380, metrics: 2381 }

/** How the member comes into being; of no effect once it has data. */
export interface Beginning {
  /** "name=peer URL" of all members, this one included. */
  readonly cluster: readonly string[]
  readonly state: 'new' | 'existing'
  /** Tells this cluster from others with the same members. */
  readonly token?: string
}

export const clientUrl = ({ address, ports }: MemberSettings) => `https://${host(address)}:${ports.client}`
export const localUrl = ({ loopback, ports }: MemberSettings) => `https://${host(loopback)}:${ports.client}`
export const peerUrl = ({ address, ports }: MemberSettings) => `https://${host(address)}:${ports.peer}`

export const host = (address: string) => (address.includes(':') ? `[${address}]` : address)

export interface Mode {
  /** It has nobody to wait for: it elects itself within a second, where others give a leader five to come back. */
  readonly alone?: boolean
  /** Only this server talks to it, and it forgets all other members (--cluster-reset). */
  readonly reset?: boolean
  /** Only this server talks to it. */
  readonly secluded?: boolean
  /** Everything is about to be written: it keeps less of its own log in memory. */
  readonly bulk?: boolean
  /** It elects itself and writes its state down at once, instead of after thousands of changes. */
  readonly eager?: boolean
}

export function etcdSettings(
  member: MemberSettings,
  beginning: Beginning | undefined,
  { alone = false, reset = false, secluded = reset, bulk = false, eager = false }: Mode = {},
): string {
  const { files, name, address, loopback, ports, exposeMetrics } = member
  const metrics = (at: string) => `http://${host(at)}:${ports.metrics}`
  const listenPeer = secluded ? `https://${host(loopback)}:${ports.peer}` : peerUrl(member)
  const tls = (leaf: string, ca: string) => ({
    'cert-file': join(files.tls, `${leaf}.crt`),
    'key-file': join(files.tls, `${leaf}.key`),
    'client-cert-auth': true,
    'trusted-ca-file': join(files.tls, `${ca}.crt`),
  })
  return formatYaml({
    name,
    'data-dir': files.dir,
    'listen-client-urls': secluded ? localUrl(member) : unique([clientUrl(member), localUrl(member)]).join(','),
    'advertise-client-urls': clientUrl(member),
    'listen-peer-urls': listenPeer,
    'initial-advertise-peer-urls': peerUrl(member),
    'listen-metrics-urls': unique(exposeMetrics ? [metrics(address), metrics(loopback)] : [metrics(loopback)]).join(
      ',',
    ),
    'client-transport-security': tls('server-client', 'server-ca'),
    'peer-transport-security': tls('peer-server-client', 'peer-ca'),
    'heartbeat-interval': alone ? 100 : 500,
    'election-timeout': alone ? 1000 : 5000,
    // A member that was cut off does not disturb the others when it comes back.
    'pre-vote': true,
    'experimental-initial-corrupt-check': true,
    logger: 'zap',
    'log-outputs': ['stderr'],
    'log-level': member.debug ? 'info' : 'warn',
    ...(beginning ? { 'initial-cluster': beginning.cluster.join(','), 'initial-cluster-state': beginning.state } : {}),
    ...(beginning?.token === undefined ? {} : { 'initial-cluster-token': beginning.token }),
    ...(reset ? { 'force-new-cluster': true } : {}),
    ...(bulk ? { 'snapshot-count': 5000 } : {}),
    ...Object.fromEntries(member.args.map(argument)),
    ...(eager ? { 'snapshot-count': 1, 'heartbeat-interval': 10, 'election-timeout': 100 } : {}),
  })
}

function argument(text: string): [string, string | number | boolean] {
  const [, name = text, value = 'true'] = /^-*([^=]+)=(.*)$/s.exec(text) ?? []
  if (/^\d+$/.test(value)) return [name, Number(value)]
  return [name, value === 'true' ? true : value === 'false' ? false : value]
}

const unique = (texts: readonly string[]) => [...new Set(texts)]
