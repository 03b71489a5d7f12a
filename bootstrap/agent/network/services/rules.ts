/** What the node's service table must do, computed from Services and EndpointSlices. Pure; no nftables here. */
import { isIPv4 } from 'node:net'
import type { EndpointSlice, Service } from '../../../client/resources.ts'

export interface Endpoint {
  readonly ip: string
  readonly port: number
  /** Runs on this node. */
  readonly local: boolean
}

export type Protocol = 'tcp' | 'udp' | 'sctp'

/** One port of one service. */
export interface ServiceRule {
  /** "namespace/name:port" */
  readonly id: string
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

/** All rules for IPv4, in a stable order. `node` decides which endpoints are local. */
export function serviceRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: string,
  held: HeldPorts = nothingHeld,
): ServiceRule[] {
  const slicesOf = Map.groupBy(
    slices,
    slice => `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`,
  )
  return services
    .flatMap(service =>
      rulesOf(service, slicesOf.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [], node, held),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function rulesOf(service: Service, slices: readonly EndpointSlice[], node: string, held: HeldPorts): ServiceRule[] {
  const { spec } = service
  const name = `${service.metadata.namespace}/${service.metadata.name}`
  const clusterIps = (spec.clusterIPs ?? []).filter(isIPv4)
  if (spec.type === 'ExternalName' || clusterIps.length === 0) return []
  if (service.metadata.labels?.['service.kubernetes.io/service-proxy-name'] !== undefined) return []
  return (spec.ports ?? []).map(port => {
    const affinity =
      spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined
    return {
      id: `${name}:${port.name || port.port}`,
      protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
      port: port.port,
      clusterIps,
      nodePort: port.nodePort || undefined,
      externalIps: (spec.externalIPs ?? []).filter(isIPv4),
      loadBalancerIps: loadBalancerIps(service),
      heldHere: spec.type === 'LoadBalancer' && held.has(heldPort(name, port.port, port.protocol ?? 'TCP')),
      sourceRanges: sourceRanges(service),
      affinitySeconds: affinity,
      internalLocal: spec.internalTrafficPolicy === 'Local',
      externalLocal: spec.externalTrafficPolicy === 'Local',
      endpoints: endpointsOf(slices, port.name ?? '', (port.protocol ?? 'TCP').toUpperCase(), node),
    }
  })
}

/** Those of the field, else those of the annotation that is older than it. Empty: everybody may come. */
function sourceRanges({ metadata, spec }: Service): string[] {
  const fields = spec.loadBalancerSourceRanges ?? []
  const older = metadata.annotations?.['service.beta.kubernetes.io/load-balancer-source-ranges']?.split(',') ?? []
  const ranges = (fields.length > 0 ? fields : older).map(range => range.trim()).filter(range => range !== '')
  if (ranges.length === 0) return []
  const ours = [...new Set(ranges.filter(isIpv4Network))].sort()
  if (ours.some(range => range.endsWith('/0'))) return []
  // Only other families may come, or a mistake was made in the annotation: nobody of this one.
  return ours.length > 0 ? ours : ['255.255.255.255/32']
}

function loadBalancerIps(service: Service): string[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  return ingress
    .filter(entry => entry.ip !== undefined && isIPv4(entry.ip) && entry.ipMode !== 'Proxy')
    .map(entry => entry.ip!)
}

/** Ready endpoints; when there is none, those that still serve while they terminate. */
function endpointsOf(slices: readonly EndpointSlice[], portName: string, protocol: string, node: string): Endpoint[] {
  const ready = new Map<string, Endpoint>()
  const serving = new Map<string, Endpoint>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    const port = slice.ports?.find(
      candidate => (candidate.name ?? '') === portName && (candidate.protocol ?? 'TCP') === protocol,
    )
    if (port?.port === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0]
      if (ip === undefined || !isIPv4(ip)) continue
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

/** Strict, as isIPv4 is: what passes becomes part of a script, and one mistake there would stop all services of the node. */
function isIpv4Network(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/')
  return rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32
}
