/** The cluster's networks of both IP families, as flags and the node's addresses say (k3s-io/k3s pkg/cli/server, pkg/agent). */
import { addressBits, cidrFamily, type Family, nthAddress, parseCidr } from '../api/cidr.ts'
import { ConfigError, type FlagValues } from './parse.ts'

export interface Networks {
  /** One per family, the primary one first. */
  readonly clusterCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
}

/** What a cluster whose first node has only IPv6 gets. */
const ipv6Only = { 'cluster-cidr': 'fd00:42::/56', 'service-cidr': 'fd00:43::/112' } as const

/** Upstream's limit: more addresses than this are not handed out to services. */
const mostServiceBits = 20

/** Throws a ConfigError for networks that are none or do not fit each other. `nodeIps` decide about the defaults. */
export function networksOf(values: FlagValues, nodeIps: readonly string[]): Networks {
  const clusterCidrs = networkList(values, 'cluster-cidr', nodeIps)
  const serviceCidrs = networkList(values, 'service-cidr', nodeIps)
  for (const cidr of serviceCidrs) {
    const { bits, family } = parseCidr(cidr)!
    if (addressBits(family) - bits > mostServiceBits)
      throw new ConfigError(
        `invalid --service-cidr "${cidr}": too large, want a prefix of at least ${addressBits(family) - mostServiceBits} bits`,
      )
  }
  if (!sameFamilies(clusterCidrs, serviceCidrs))
    throw new ConfigError(
      `cluster-cidr: ${goList(clusterCidrs)} and service-cidr: ${goList(serviceCidrs)}, must share the same IP version (IPv4, IPv6 or dual-stack)`,
    )
  return { clusterCidrs, serviceCidrs }
}

/** A node needs an address of each of the cluster's families. */
export function requireNodeFamilies(clusterCidrs: readonly string[], nodeIps: readonly string[]): void {
  const own = new Set(nodeIps.map(cidrFamily))
  if (clusterCidrs.every(cidr => own.has(cidrFamily(cidr)))) return
  throw new ConfigError(
    `cluster-cidr: ${goList(clusterCidrs)} and node-ip: ${goList(nodeIps)}, must share the same IP version (IPv4, IPv6 or dual-stack)`,
  )
}

function networkList(
  values: FlagValues,
  name: 'cluster-cidr' | 'service-cidr',
  nodeIps: readonly string[],
): readonly string[] {
  const isDefault = !values.given(name) && cidrFamily(nodeIps[0] ?? '') === 'IPv6'
  const list = isDefault ? [ipv6Only[name]] : values.list(name, true)
  for (const cidr of list)
    if (!parseCidr(cidr)) throw new ConfigError(`invalid --${name} "${cidr}": want a network such as 10.42.0.0/16`)
  const families = new Set(list.map(cidrFamily))
  if (list.length === 0 || families.size !== list.length)
    throw new ConfigError(`invalid --${name} "${list.join()}": want one network, or one IPv4 and one IPv6 network`)
  return list
}

const sameFamilies = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every(cidr => b.some(other => cidrFamily(other) === cidrFamily(cidr)))

/** As Go prints a list. */
const goList = (list: readonly string[]): string => `[${list.join(' ')}]`

/** The addresses of the cluster's DNS: those given, else the tenth of each service network. */
export function clusterDnsOf(given: readonly string[], serviceCidrs: readonly string[]): readonly string[] {
  return given.length > 0 ? given : serviceCidrs.map(cidr => nthAddress(cidr, 10))
}

/** What to listen at when nobody said: everything, which is both families where the node has IPv6. */
export const anyAddress = (nodeIps: readonly string[]): string =>
  nodeIps.some(address => cidrFamily(address) === 'IPv6') ? '::' : '0.0.0.0'

/** Loopback of the node's first family. */
export const loopbackOf = (nodeIps: readonly string[]): string =>
  (cidrFamily(nodeIps[0] ?? '') satisfies Family | undefined) === 'IPv6' ? '::1' : '127.0.0.1'
