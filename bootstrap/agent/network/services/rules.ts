/** What the node's service tables must do, computed from Services and EndpointSlices. Pure; no nftables here. */
import { addressBits, type Family, familyOf, parseCidr } from '../../../api/cidr.ts'
import type { EndpointSlice, Service } from '../../../client/resources.ts'

export interface Endpoint {
  readonly ip: string
  readonly port: number
  /** Runs on this node. */
  readonly local: boolean
}

export type Protocol = 'tcp' | 'udp' | 'sctp'

/** One port of one service, in one family: all its addresses are of it. */
export interface ServiceRule {
  /** "namespace/name:port" */
  readonly id: string
  readonly family: Family
  readonly protocol: Protocol
  readonly port: number
  readonly clusterIps: readonly string[]
  readonly nodePort: number | undefined
  readonly externalIps: readonly string[]
  readonly loadBalancerIps: readonly string[]
  /** A balancer on this node holds the port: it answers at all of the node's own addresses. */
  readonly heldHere: boolean
  /** Only these networks may use the load balancer's addresses; empty means all. */
  readonly sourceRanges: readonly string[]
  readonly affinitySeconds: number | undefined
  readonly internalLocal: boolean
  readonly externalLocal: boolean
  readonly endpoints: readonly Endpoint[]
}

/** What else decides about rules: ports that balancers on this node hold for a service, see balancers.ts. */
export type HeldPorts = ReadonlySet<string>

const nothingHeld: HeldPorts = new Set()

/** Names a port of a service as HeldPorts does. */
export const heldPort = (service: string, port: number, protocol: string): string => `${service} ${port}/${protocol}`

/** All rules of one family, in a stable order. `node` decides which endpoints are local. */
export function serviceRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: string,
  held: HeldPorts = nothingHeld,
  family: Family = 'IPv4',
): ServiceRule[] {
  const slicesOf = Map.groupBy(
    slices.filter(slice => slice.addressType === family),
    slice => `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`,
  )
  return services
    .flatMap(service =>
      rulesOf(
        service,
        slicesOf.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [],
        node,
        held,
        family,
      ),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function rulesOf(
  service: Service,
  slices: readonly EndpointSlice[],
  node: string,
  held: HeldPorts,
  family: Family,
): ServiceRule[] {
  const { spec } = service
  const ours = (address: string) => familyOf(address) === family
  const name = `${service.metadata.namespace}/${service.metadata.name}`
  const clusterIps = (spec.clusterIPs ?? []).filter(ours)
  if (spec.type === 'ExternalName' || clusterIps.length === 0) return []
  if (service.metadata.labels?.['service.kubernetes.io/service-proxy-name'] !== undefined) return []
  return (spec.ports ?? []).map(port => {
    const affinity =
      spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined
    return {
      id: `${name}:${port.name || port.port}`,
      family,
      protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
      port: port.port,
      clusterIps,
      nodePort: port.nodePort || undefined,
      externalIps: (spec.externalIPs ?? []).filter(ours),
      loadBalancerIps: loadBalancerIps(service).filter(ours),
      heldHere: spec.type === 'LoadBalancer' && held.has(heldPort(name, port.port, port.protocol ?? 'TCP')),
      sourceRanges: sourceRanges(service, family),
      affinitySeconds: affinity,
      internalLocal: spec.internalTrafficPolicy === 'Local',
      externalLocal: spec.externalTrafficPolicy === 'Local',
      endpoints: endpointsOf(slices, port.name ?? '', (port.protocol ?? 'TCP').toUpperCase(), node, family),
    }
  })
}

/** Those of the field, else those of the annotation that is older than it. Empty: everybody may come. */
function sourceRanges({ metadata, spec }: Service, family: Family): string[] {
  const fields = spec.loadBalancerSourceRanges ?? []
  const older = metadata.annotations?.['service.beta.kubernetes.io/load-balancer-source-ranges']?.split(',') ?? []
  const ranges = (fields.length > 0 ? fields : older).map(range => range.trim()).filter(range => range !== '')
  if (ranges.length === 0) return []
  const ours = [...new Set(ranges.filter(range => parseCidr(range)?.family === family))].sort()
  if (ours.some(range => range.endsWith('/0'))) return []
  // Only other families may come, or a mistake was made in the annotation: nobody of this one.
  return ours.length > 0 ? ours : [`${nobody[family]}/${addressBits(family)}`]
}

/** Addresses that no packet comes from. */
const nobody: { readonly [family in Family]: string } = { IPv4: '255.255.255.255', IPv6: '100::' }

function loadBalancerIps(service: Service): string[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  return ingress.filter(entry => entry.ip !== undefined && entry.ipMode !== 'Proxy').map(entry => entry.ip!)
}

/** Ready endpoints; when there is none, those that still serve while they terminate. */
function endpointsOf(
  slices: readonly EndpointSlice[],
  portName: string,
  protocol: string,
  node: string,
  family: Family,
): Endpoint[] {
  const ready = new Map<string, Endpoint>()
  const serving = new Map<string, Endpoint>()
  for (const slice of slices) {
    const port = slice.ports?.find(
      candidate => (candidate.name ?? '') === portName && (candidate.protocol ?? 'TCP') === protocol,
    )
    if (port?.port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0]
      if (ip === undefined || familyOf(ip) !== family) continue
      const target: Endpoint = { ip, port: port.port, local: endpoint.nodeName === node }
      const key = `${ip}:${port.port}`
      if (endpoint.conditions?.ready !== false) ready.set(key, target)
      else if (endpoint.conditions.serving === true && endpoint.conditions.terminating === true)
        serving.set(key, target)
    }
  }
  const chosen = ready.size > 0 ? ready : serving
  return [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}
