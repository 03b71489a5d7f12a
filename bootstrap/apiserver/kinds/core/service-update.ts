/** What an update of a Service keeps of the values that were allocated to it (pkg/registry/core/service). */
import type { Draft } from '../../../api/object.ts'
import type { Service, ServiceSpec } from '../../../api/types.gen.ts'
import { same } from '../common/defaulting.ts'

type Spec = Draft<ServiceSpec>

/** Whether services of this type have cluster IPs. */
export const needsClusterIP = (spec: ServiceSpec) => spec.type !== 'ExternalName'

/** Whether services of this type have node ports. */
export function needsNodePort(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false)
}

/** Whether the service has a port where nodes say if they have endpoints. */
export function needsHealthCheckPort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

/** Whether traffic from outside the cluster can reach the service. */
export function isExternallyReachable(spec: ServiceSpec): boolean {
  return (
    spec.type === 'NodePort' ||
    spec.type === 'LoadBalancer' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0)
  )
}

/** clusterIP is the first of clusterIPs. A client that knows only the old field changes both. */
export function normalizeClusterIPs(spec: Spec, before: ServiceSpec | undefined): void {
  if (!before) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP]
    return
  }
  const changed = (spec.clusterIP ?? '') !== (before.clusterIP ?? '')
  if (!changed || !same(spec.clusterIPs, before.clusterIPs)) return
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP, ...(spec.clusterIPs ?? []).slice(1)]
  else delete spec.clusterIPs
}

/** Fills allocated values the client left out with those the service has. */
export function keepAllocated(spec: Spec, before: ServiceSpec): void {
  if (needsClusterIP(before) && needsClusterIP(spec)) {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP
    if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP && before.clusterIPs) {
      spec.clusterIPs = [...before.clusterIPs]
    }
  }
  if (needsNodePort(before) && needsNodePort(spec)) keepNodePorts(spec, before)
  if (needsHealthCheckPort(before) && needsHealthCheckPort(spec) && before.healthCheckNodePort) {
    spec.healthCheckNodePort ||= before.healthCheckNodePort
  }
}

function keepNodePorts(spec: Spec, before: ServiceSpec): void {
  const keyOfPort = (port: { protocol?: string | undefined; port: number }) => `${port.protocol}/${port.port}`
  const taken = new Set((spec.ports ?? []).map(port => `${port.protocol}/${port.nodePort}`))
  const known = new Map((before.ports ?? []).map(port => [keyOfPort(port), port.nodePort]))
  for (const port of spec.ports ?? []) {
    const nodePort = known.get(keyOfPort(port))
    if (!port.nodePort && nodePort && !taken.has(`${port.protocol}/${nodePort}`)) port.nodePort = nodePort
  }
}

/** Removes values that make no sense for the new type, if the client just repeated them. */
export function dropTypeDependent(service: Draft<Service>, old: Service): void {
  const spec = service.spec
  const before = old.spec
  if (!spec || !before) return
  const drop = (name: keyof ServiceSpec, was: boolean, is: boolean) => {
    if (was && !is && same(spec[name], before[name])) delete spec[name]
  }
  const hadIP = needsClusterIP(before)
  const hasIP = needsClusterIP(spec)
  for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) drop(name, hadIP, hasIP)
  if (needsNodePort(before) && !needsNodePort(spec)) dropNodePorts(spec, before)
  drop('healthCheckNodePort', needsHealthCheckPort(before), needsHealthCheckPort(spec))
  const wasBalanced = before.type === 'LoadBalancer'
  const isBalanced = spec.type === 'LoadBalancer'
  drop('allocateLoadBalancerNodePorts', wasBalanced, isBalanced)
  drop('loadBalancerClass', wasBalanced, isBalanced)
  drop('externalTrafficPolicy', isExternallyReachable(before), isExternallyReachable(spec))
  drop('internalTrafficPolicy', before.type !== 'ExternalName', spec.type !== 'ExternalName')
  if (!isBalanced && service.status) service.status.loadBalancer = {}
}

function dropNodePorts(spec: Spec, before: ServiceSpec): void {
  const old = new Set((before.ports ?? []).map(port => port.nodePort).filter(Boolean))
  const repeated = (spec.ports ?? []).every(port => !port.nodePort || old.has(port.nodePort))
  if (repeated) for (const port of spec.ports ?? []) delete port.nodePort
}
