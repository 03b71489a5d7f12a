/**
 * What a name of the cluster stands for, by the Kubernetes DNS specification (kubernetes/dns docs/specification.md) and
 * CoreDNS' reading of it. Pure over a view of the cluster.
 */
import { isIP } from 'node:net'
import { normalAddress } from '../../wire/records.ts'
import { isReverse, type KubernetesConfig } from './config.ts'

/** One address behind a service. */
export interface Member {
  readonly ip: string
  /** The endpoint's hostname, else its address with dashes. */
  readonly host: string
  readonly ports: readonly NamedPort[]
}

export interface NamedPort {
  readonly name: string
  readonly protocol: string
  /** -1: it has no port. */
  readonly port: number
}

export interface ServiceView {
  readonly name: string
  readonly namespace: string
  readonly kind: 'cluster' | 'headless' | 'external'
  readonly clusterIps: readonly string[]
  readonly externalName: string
  readonly ports: readonly NamedPort[]
  /** Ready endpoints. */
  members(): readonly Member[]
}

export interface ClusterView {
  readonly synced: boolean
  service(namespace: string, name: string): ServiceView | undefined
  exposes(namespace: string): boolean
  hasPod(namespace: string, ip: string): boolean
  /** "svc.ns.svc" style names that an address (in its shortest form) has. */
  namesOf(ip: string): readonly string[]
  servicesAt(addresses: readonly string[]): readonly ServiceView[]
}

/** One thing a name stands for: an address or another name, maybe with a port; `key` is its own full name. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly key: string
}

/** `unknown`: there is no such name. An empty list: there is, without anything of this kind. */
export type Found = readonly Target[] | 'unknown'

/** The targets of a name (normal form) in one of the plugin's zones. */
export function targetsOf(name: string, zone: string, view: ClusterView, config: KubernetesConfig): Found {
  const below = name === zone ? '' : zone === '.' ? name.slice(0, -1) : name.slice(0, -zone.length - 1)
  if (below === '' || below === 'svc' || below === 'pod') return []
  const labels = below.split('.')
  const kind = labels.pop()
  if ((kind !== 'svc' && kind !== 'pod') || isReverse(name)) return 'unknown'
  const namespace = labels.pop()!
  const service = labels.pop()
  if (labels.length > 2 || !view.exposes(namespace)) return 'unknown'
  if (service === undefined) return []
  return kind === 'pod'
    ? podTargets(service, namespace, zone, view, config)
    : serviceTargets(service, namespace, labels, zone, view, config)
}

function podTargets(
  label: string,
  namespace: string,
  zone: string,
  view: ClusterView,
  { pods }: KubernetesConfig,
): Found {
  if (pods === 'disabled') return 'unknown'
  const four = label.split('-').length === 4 && !label.includes('--')
  const ip = label.replaceAll('-', four ? '.' : ':')
  if (isIP(ip) === 0 || (pods === 'verified' && !view.hasPod(namespace, ip))) return 'unknown'
  return [{ host: ip, port: 0, key: `${label}.${namespace}.pod.${zone}` }]
}

interface Wanted {
  readonly endpoint: string
  readonly port: string
  readonly protocol: string
}

function serviceTargets(
  name: string,
  namespace: string,
  labels: readonly string[],
  zone: string,
  view: ClusterView,
  config: KubernetesConfig,
): Found {
  const wanted: Wanted = {
    endpoint: labels.length === 1 ? labels[0]! : '',
    port: labels.length === 2 ? bare(labels[0]!) : '',
    protocol: labels.length === 2 ? bare(labels[1]!) : '',
  }
  const service = view.service(namespace, name)
  if (!service) return 'unknown'
  const key = `${service.name}.${service.namespace}.svc.${zone}`
  if (service.kind === 'external') {
    if (labels.length > 0 || isIP(service.externalName) !== 0) return 'unknown'
    return [{ host: service.externalName, port: 0, key }]
  }
  if (config.ignoreEmpty && service.kind === 'cluster' && service.members().length === 0) return 'unknown'
  const found =
    service.kind === 'headless' || wanted.endpoint !== ''
      ? memberTargets(service, wanted, key)
      : service.ports
          .filter(port => matches(port, wanted))
          .flatMap(({ port }) => service.clusterIps.map(host => ({ host, port, key })))
  return found.length === 0 ? 'unknown' : found
}

function memberTargets(service: ServiceView, wanted: Wanted, key: string): Target[] {
  return service
    .members()
    .filter(({ host }) => wanted.endpoint === '' || host.toLowerCase() === wanted.endpoint)
    .flatMap(({ ip, host, ports }) =>
      ports.filter(port => matches(port, wanted)).map(({ port }) => ({ host: ip, port, key: `${host}.${key}` })),
    )
}

const bare = (label: string): string => (label.startsWith('_') ? label.slice(1) : label)

const matches = ({ name, protocol }: NamedPort, wanted: Wanted): boolean =>
  (wanted.port === '' || name.toLowerCase() === wanted.port) &&
  (wanted.protocol === '' || protocol.toLowerCase() === wanted.protocol)

/** The name server's own names: those of the services that lead to it, else ns.dns with its addresses. */
export function nameServers(zone: string, view: ClusterView, addresses: readonly string[]): Target[] {
  const targets = view.servicesAt(addresses).flatMap(service => {
    const key = `${service.name}.${service.namespace}.svc.${zone}`
    return service.kind === 'headless'
      ? service.members().map(({ ip, host }) => ({ host: ip, port: 0, key: `${host}.${key}` }))
      : service.clusterIps.map(host => ({ host, port: 0, key }))
  })
  return targets.length > 0 ? targets : addresses.map(host => ({ host, port: 0, key: `ns.dns.${zone}` }))
}

/** The address that a reverse name asks for, in its shortest form. */
export function reversedAddress(name: string): string | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa\.$/.exec(name)
  if (four) {
    const ip = four.slice(1).reverse().join('.')
    return isIP(ip) === 4 ? ip : undefined
  }
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa\.$/.exec(name)
  const digits = six?.[1]?.replaceAll('.', '').split('').reverse().join('')
  return digits === undefined ? undefined : normalAddress(digits.match(/.{4}/g)!.join(':'))
}
