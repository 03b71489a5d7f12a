/** What the node's service table must do, computed from Services and EndpointSlices. Pure; no nftables here. */
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
  /** Only these networks may use the load balancer's addresses; empty means all. */
  readonly sourceRanges: readonly string[]
  readonly affinitySeconds: number | undefined
  readonly internalLocal: boolean
  readonly externalLocal: boolean
  readonly endpoints: readonly Endpoint[]
}

/** All rules for IPv4, in a stable order. `node` decides which endpoints are local. */
export function serviceRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  node: string,
): ServiceRule[] {
  const slicesOf = Map.groupBy(
    slices,
    slice => `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name']}`,
  )
  return services
    .flatMap(service =>
      rulesOf(service, slicesOf.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [], node),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function rulesOf(service: Service, slices: readonly EndpointSlice[], node: string): ServiceRule[] {
  const { spec } = service
  const clusterIps = (spec.clusterIPs ?? []).filter(isIpv4)
  if (spec.type === 'ExternalName' || clusterIps.length === 0) return []
  if (service.metadata.labels?.['service.kubernetes.io/service-proxy-name'] !== undefined) return []
  return (spec.ports ?? []).map(port => {
    const affinity =
      spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined
    return {
      id: `${service.metadata.namespace}/${service.metadata.name}:${port.name || port.port}`,
      protocol: (port.protocol ?? 'TCP').toLowerCase() as Protocol,
      port: port.port,
      clusterIps,
      nodePort: port.nodePort || undefined,
      externalIps: (spec.externalIPs ?? []).filter(isIpv4),
      loadBalancerIps: loadBalancerIps(service),
      sourceRanges: (spec.loadBalancerSourceRanges ?? []).map(range => range.trim()).filter(isIpv4),
      affinitySeconds: affinity,
      internalLocal: spec.internalTrafficPolicy === 'Local',
      externalLocal: spec.externalTrafficPolicy === 'Local',
      endpoints: endpointsOf(slices, port.name ?? '', (port.protocol ?? 'TCP').toUpperCase(), node),
    }
  })
}

function loadBalancerIps(service: Service): string[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  return ingress
    .filter(entry => entry.ip !== undefined && isIpv4(entry.ip) && entry.ipMode !== 'Proxy')
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
      if (ip === undefined) continue
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

const isIpv4 = (text: string): boolean => /^\d+\.\d+\.\d+\.\d+/.test(text)
