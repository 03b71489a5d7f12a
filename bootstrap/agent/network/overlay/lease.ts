/**
 * What a node tells the others of its overlay, in flannel's own annotations (flannel-io/flannel pkg/subnet/kube), so that
 * users find what they know and nodes of both kinds read each other. Pure.
 */
import { cidrFamily, type Family } from '../../../api/cidr.ts'
import type { Node } from '../../../client/resources.ts'

const prefix = 'flannel.alpha.coreos.com'

/** The annotations of each family. */
const names = {
  IPv4: { data: `${prefix}/backend-data`, ip: `${prefix}/public-ip`, overwrite: `${prefix}/public-ip-overwrite` },
  IPv6: {
    data: `${prefix}/backend-v6-data`,
    ip: `${prefix}/public-ipv6`,
    overwrite: `${prefix}/public-ipv6-overwrite`,
  },
} as const

const typeName = `${prefix}/backend-type`
const managedName = `${prefix}/kube-subnet-manager`

/** One family of a node: its pods' network and where to send packets for it. */
export interface LeaseSide {
  readonly family: Family
  /** The node's pod CIDR. */
  readonly subnet: string
  /** Where the other nodes reach it. */
  readonly publicIp: string
  /** What else a backend must know, as flannel writes it; undefined for none. */
  readonly data: unknown
}

export interface Lease {
  readonly node: string
  /** flannel's name of the backend: vxlan, host-gw, wireguard. */
  readonly type: string
  readonly sides: readonly LeaseSide[]
}

/** What a node has announced; undefined when it has not, or has no pod CIDR yet. */
export function leaseOf({ metadata, spec }: Node): Lease | undefined {
  const annotations = metadata.annotations ?? {}
  const type = annotations[typeName]
  if (annotations[managedName] !== 'true' || type === undefined) return undefined
  const subnets = spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : [])
  const sides = subnets.flatMap((subnet): LeaseSide[] => {
    const family = cidrFamily(subnet)
    const publicIp = family && annotations[names[family].ip]
    if (!family || !publicIp || cidrFamily(publicIp) !== family) return []
    return [{ family, subnet, publicIp, data: parsed(annotations[names[family].data]) }]
  })
  return sides.length === 0 ? undefined : { node: metadata.name!, type, sides }
}

/** The data a node has announced before, e.g. in an earlier life of its agent. */
export const announcedData = ({ metadata }: Node, family: Family): unknown =>
  parsed(metadata.annotations?.[names[family].data])

export interface Announcement {
  readonly type: string
  readonly sides: readonly Omit<LeaseSide, 'subnet'>[]
  /** The public addresses are not those of the overlay's interface (--flannel-external-ip). */
  readonly overwritten: boolean
}

/** The annotations that differ from what the node has; null removes one. Undefined when nothing does. */
export function annotationChange(
  { metadata }: Node,
  { type, sides, overwritten }: Announcement,
): { readonly [name: string]: string | null } | undefined {
  const wanted: { [name: string]: string | null } = { [typeName]: type, [managedName]: 'true' }
  for (const family of ['IPv4', 'IPv6'] as const) {
    const side = sides.find(each => each.family === family)
    wanted[names[family].ip] = side?.publicIp ?? null
    wanted[names[family].data] = side ? JSON.stringify(side.data ?? null) : null
    wanted[names[family].overwrite] = side && overwritten ? side.publicIp : null
  }
  const current = metadata.annotations ?? {}
  const changes = Object.entries(wanted).filter(([name, value]) => (current[name] ?? null) !== value)
  return changes.length === 0 ? undefined : Object.fromEntries(changes)
}

/** Undefined for what is no JSON: somebody else's mistake must not stop this node. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) ?? undefined)
  } catch {
    return undefined
  }
}
