/** A load balancer's addresses, and what keeps it from having them. */
import type { LoadBalancerIngress } from '../../bootstrap/api/types.gen.ts'
import type { EndpointSlice, Node, Pod, Service } from '../../bootstrap/client/resources.ts'
import { isReady, isTerminal, isTerminating } from '../runtime/pods.ts'
import type { Placement } from './placement.ts'
import { inFamilies, isLocal, poolLabel, protocolOf } from './service.ts'

/** Upstream's name for trouble with a load balancer's ports (core/v1 LoadBalancerPortsError). */
export const portsCondition = 'LoadBalancerPortsError'

/**
 * The addresses of the nodes with a ready balancer: their external ones as soon as any of these nodes has one, else the
 * internal ones. With policy Local only nodes with a ready endpoint count.
 */
export function ingressOf(
  service: Service,
  balancers: readonly Pod[],
  slices: readonly EndpointSlice[],
  nodeNamed: (name: string) => Node | undefined,
): LoadBalancerIngress[] {
  const serving = isLocal(service) ? nodesWithEndpoint(slices) : undefined
  const external = new Set<string>()
  const internal = new Set<string>()
  for (const pod of balancers) {
    const name = pod.spec.nodeName ?? ''
    if (!isReady(pod) || isTerminating(pod) || (serving && !serving.has(name))) continue
    for (const { type, address } of nodeNamed(name)?.status?.addresses ?? [])
      if (type === 'ExternalIP') external.add(address)
      else if (type === 'InternalIP') internal.add(address)
  }
  const addresses = external.size > 0 ? external : internal
  return inFamilies(addresses, service).map(ip => ({ ip, ipMode: 'VIP' }))
}

function nodesWithEndpoint(slices: readonly EndpointSlice[]): Set<string> {
  const ready = slices
    .flatMap(slice => slice.endpoints ?? [])
    .filter(({ targetRef, conditions }) => targetRef?.kind === 'Pod' && conditions?.ready === true)
  return new Set(ready.flatMap(({ nodeName }) => (nodeName ? [nodeName] : [])))
}

export const addressesOf = (ingress: readonly LoadBalancerIngress[] | undefined): string[] =>
  (ingress ?? []).map(({ ip, hostname }) => ip || hostname || '')

export interface Trouble {
  readonly reason: 'PortConflict' | 'PortInUse'
  readonly message: string
}

/** What to tell the service's owner about ports that others have; undefined when all is well. */
export function troubleOf(
  service: Service,
  placement: Placement,
  balancers: readonly Pod[],
  podsOn: (node: string) => readonly Pod[],
): Trouble | undefined {
  if (placement.losses.length > 0) return { reason: 'PortConflict', message: conflictText(placement) }
  const holders = balancers.filter(isUnscheduled).flatMap(pod => portHolders(service, targetOf(pod), podsOn))
  return holders.length === 0 ? undefined : { reason: 'PortInUse', message: [...new Set(holders)].join('; ') }
}

function conflictText({ losses, possible }: Placement): string {
  const taken = Map.groupBy(losses, ({ port, owner }) => `port ${port} belongs to ${owner}`)
  const texts = [...taken].map(([text, all]) =>
    possible ? `${text} on ${all.map(({ node }) => node).join(', ')}` : text,
  )
  const where = possible ? '' : ' on every node this service may use'
  return `${texts.join('; ')}${where}; use another port, or a pool of nodes of its own (label ${poolLabel})`
}

function portHolders(service: Service, node: string, podsOn: (node: string) => readonly Pod[]): string[] {
  const wanted = new Set((service.spec.ports ?? []).map(port => `${port.port}/${protocolOf(port)}`))
  return podsOn(node)
    .filter(pod => !isTerminating(pod) && !isTerminal(pod))
    .flatMap(pod => hostPorts(pod).map(port => ({ port, pod })))
    .filter(({ port }) => wanted.has(port))
    .map(
      ({ port, pod: { metadata } }) =>
        `port ${port} of node ${node} is taken by the host port of pod ${metadata.namespace}/${metadata.name}`,
    )
}

const hostPorts = ({ spec }: Pod): string[] =>
  spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort }) => hostPort)
    .map(({ hostPort, protocol = 'TCP' }) => `${hostPort}/${protocol}`)

const isUnscheduled = ({ spec, status }: Pod): boolean =>
  !spec.nodeName &&
  (status?.conditions ?? []).some(({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable')

/** The node a DaemonSet's pod is meant for. */
function targetOf({ spec }: Pod): string {
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const fields = (required?.nodeSelectorTerms ?? []).flatMap(({ matchFields = [] }) => matchFields)
  return fields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In')?.values?.[0] ?? ''
}
