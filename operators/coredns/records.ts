/**
 * The names of a cluster, by the Kubernetes DNS specification (kubernetes/dns docs/specification.md): services, headless
 * services with their endpoints, ports as SRV, pods by address, reverse names. Pure over a view of the cluster.
 */

/** One address behind a headless service. */
export interface Member {
  readonly ip: string
  /** The endpoint's hostname, else its address with dashes. */
  readonly host: string
  readonly ports: readonly NamedPort[]
}

export interface NamedPort {
  readonly name: string
  readonly protocol: string
  readonly port: number
}

export interface ServiceView {
  readonly name: string
  readonly namespace: string
  readonly kind: 'cluster' | 'headless' | 'external'
  readonly clusterIps: readonly string[]
  readonly externalName: string
  readonly ports: readonly NamedPort[]
  /** Ready endpoints; only read for headless services. */
  members(): readonly Member[]
}

export interface ClusterView {
  service(namespace: string, name: string): ServiceView | undefined
  hasNamespace(namespace: string): boolean
  hasPod(namespace: string, ip: string): boolean
  /** "svc.ns.svc" style names that an address has. */
  namesOf(ip: string): readonly string[]
}

export type Record =
  | { readonly type: 'A' | 'AAAA' | 'CNAME' | 'PTR'; readonly name: string; readonly data: string }
  | { readonly type: 'TXT'; readonly name: string; readonly data: readonly string[] }
  | {
      readonly type: 'SRV'
      readonly name: string
      readonly data: { priority: number; weight: number; port: number; target: string }
    }

export type Lookup =
  | { readonly kind: 'found'; readonly answers: readonly Record[]; readonly additionals: readonly Record[] }
  /** The name exists, but has no record of this type. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'unknown' }

const empty: Lookup = { kind: 'empty' }
const unknown: Lookup = { kind: 'unknown' }

export interface Options {
  /** With a trailing dot, e.g. "cluster.local." */
  readonly zone: string
  readonly pods: 'disabled' | 'insecure' | 'verified'
}

/** Looks up a name below the zone. `name` is lower case and ends with the zone. */
export function lookup(name: string, type: string, view: ClusterView, options: Options): Lookup {
  const below = name === options.zone ? '' : name.slice(0, -options.zone.length - 1)
  if (below === '') return empty
  if (below === 'dns-version') return type === 'TXT' ? found([{ type: 'TXT', name, data: ['1.1.0'] }]) : empty
  const labels = below.split('.')
  const kind = labels.pop()
  if (kind !== 'svc' && kind !== 'pod') return unknown
  if (labels.length === 0) return empty
  const namespace = labels.pop()!
  if (!view.hasNamespace(namespace)) return unknown
  if (labels.length === 0) return empty
  return kind === 'svc'
    ? serviceLookup(name, type, labels, namespace, view, options)
    : podLookup(name, type, labels, namespace, view, options)
}

function serviceLookup(
  name: string,
  type: string,
  labels: string[],
  namespace: string,
  view: ClusterView,
  { zone }: Options,
): Lookup {
  const service = view.service(namespace, labels.pop()!)
  if (!service) return unknown
  const base = `${service.name}.${namespace}.svc.${zone}`
  if (labels.length === 0) return wholeService(name, type, service, base)
  if (service.kind === 'external') return unknown
  if (labels.length === 2 && labels.every(label => label.startsWith('_')))
    return portLookup(name, type, labels as [string, string], service, base)
  if (labels.length !== 1 || service.kind !== 'headless') return unknown
  const members = service.members().filter(member => member.host === labels[0])
  return memberAddresses(name, type, members)
}

function wholeService(name: string, type: string, service: ServiceView, base: string): Lookup {
  if (service.kind === 'external') {
    const alias: Record = { type: 'CNAME', name, data: service.externalName }
    return type === 'A' || type === 'AAAA' || type === 'CNAME' ? found([alias]) : empty
  }
  if (type === 'SRV') return ports(name, service, base, () => true)
  if (service.kind === 'cluster') return addresses(name, type, service.clusterIps)
  const members = service.members()
  return memberAddresses(name, type, members)
}

function portLookup(
  name: string,
  type: string,
  [port, protocol]: [string, string],
  service: ServiceView,
  base: string,
): Lookup {
  const wanted = (candidate: NamedPort) =>
    `_${candidate.name}` === port && `_${candidate.protocol.toLowerCase()}` === protocol
  const all = service.kind === 'headless' ? service.members().flatMap(member => member.ports) : service.ports
  if (!all.some(wanted)) return unknown
  return type === 'SRV' ? ports(name, service, base, wanted) : empty
}

/** SRV records of the ports wanted, with the addresses of their targets alongside. */
function ports(name: string, service: ServiceView, base: string, wanted: (port: NamedPort) => boolean): Lookup {
  const targets =
    service.kind === 'headless'
      ? service.members().map(member => ({ target: `${member.host}.${base}`, ips: [member.ip], ports: member.ports }))
      : [{ target: base, ips: service.clusterIps, ports: service.ports }]
  const entries = targets.flatMap(({ target, ips, ports: list }) =>
    list.filter(wanted).map(port => ({ target, ips, port: port.port })),
  )
  if (entries.length === 0) return empty
  const weight = Math.max(1, Math.floor(100 / entries.length))
  const answers = entries.map(
    ({ target, port }): Record => ({ type: 'SRV', name, data: { priority: 0, weight, port, target } }),
  )
  const additionals = new Map(
    entries.flatMap(({ target, ips }) => ips.map(ip => [`${target} ${ip}`, addressRecord(target, ip)])),
  )
  return { kind: 'found', answers, additionals: [...additionals.values()] }
}

function podLookup(
  name: string,
  type: string,
  labels: string[],
  namespace: string,
  view: ClusterView,
  { pods }: Options,
): Lookup {
  if (labels.length !== 1 || pods === 'disabled') return unknown
  const ip = addressFrom(labels[0]!)
  if (ip === undefined || (pods === 'verified' && !view.hasPod(namespace, ip))) return unknown
  return addresses(name, type, [ip])
}

/** "10-42-0-5" -> "10.42.0.5", and dashed IPv6 alike; undefined for anything else. */
function addressFrom(label: string): string | undefined {
  if (/^\d+-\d+-\d+-\d+$/.test(label)) {
    const parts = label.split('-').map(Number)
    return parts.every(part => part <= 255) ? parts.join('.') : undefined
  }
  return /^[0-9a-f-]+$/.test(label) && label.split('-').length > 2 ? label.replaceAll('-', ':') : undefined
}

/** The names of an address asked for in reverse. `name` is lower case, like "5.0.42.10.in-addr.arpa.". */
export function reverseLookup(name: string, type: string, view: ClusterView, zone: string): Lookup {
  const ip = reversedAddress(name)
  const names = ip === undefined ? [] : view.namesOf(ip)
  if (names.length === 0) return unknown
  return type === 'PTR' ? found(names.map(data => ({ type: 'PTR', name, data: `${data}.${zone}` }))) : empty
}

export function reversedAddress(name: string): string | undefined {
  const four = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa\.$/.exec(name)
  if (four) return four.slice(1).reverse().join('.')
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa\.$/.exec(name)
  if (!six) return undefined
  const digits = six[1]!.replaceAll('.', '').split('').reverse().join('')
  return digits
    .match(/.{4}/g)!
    .map(group => group.replace(/^0{1,3}/, ''))
    .join(':')
}

function memberAddresses(name: string, type: string, members: readonly Member[]): Lookup {
  if (members.length === 0) return unknown
  const ips = members.map(member => member.ip)
  return addresses(name, type, ips)
}

function addresses(name: string, type: string, ips: readonly string[]): Lookup {
  const records = ips.map(ip => addressRecord(name, ip)).filter(record => record.type === type)
  return records.length === 0 ? empty : found(records)
}

function addressRecord(name: string, ip: string): Record {
  return { type: ip.includes(':') ? 'AAAA' : 'A', name, data: ip }
}

function found(answers: readonly Record[]): Lookup {
  return { kind: 'found', answers, additionals: [] }
}
