/** Which pods stand behind a Service, and at which ports and addresses (upstream endpoint util). */
import { keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import { selectsMap } from '../../../bootstrap/api/selectors.ts'
import type { ServicePort } from '../../../bootstrap/api/types.gen.ts'
import { type Pod, pods, type Service, services } from '../../../bootstrap/client/resources.ts'
import { findCondition } from '../../runtime/conditions.ts'
import { type Cluster, on, type Watch } from '../../runtime/operator.ts'
import { isReady, isTerminal, isTerminating } from '../../runtime/pods.ts'

export type Family = 'IPv4' | 'IPv6'

/** The Service's pods are for the controllers to find: it has a selector and is no alias. */
export function isManaged(service: Service): boolean {
  return service.spec.selector !== undefined && service.spec.type !== 'ExternalName'
}

export function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === 'None'
}

export function familiesOf(service: Service): readonly Family[] {
  const families = (service.spec.ipFamilies ?? []) as readonly Family[]
  return families.length > 0 ? families : ['IPv4']
}

/** The pod's address of one family. */
export function addressOf(pod: Pod, family: Family): string | undefined {
  const all = pod.status?.podIPs?.map(({ ip }) => ip) ?? []
  const addresses = all.length > 0 ? all : pod.status?.podIP ? [pod.status.podIP] : []
  return addresses.find(address => address.includes(':') === (family === 'IPv6'))
}

/** Pods the Service selects that may take traffic now or are just ending. */
export function selectedPods(service: Service, { informers }: Cluster): readonly Pod[] {
  return informers
    .get(pods)
    .list(service.metadata.namespace)
    .filter(pod => selectsMap(service.spec.selector, pod.metadata.labels) && !isTerminal(pod) && pod.status?.podIP)
}

/** The pod's number for a Service port; undefined when it names a port the pod has not. */
export function portNumber(pod: Pod, { port, protocol = 'TCP', targetPort = port }: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort === 0 ? port : targetPort
  const sidecars = (pod.spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always')
  for (const container of [...pod.spec.containers, ...sidecars])
    for (const candidate of container.ports ?? [])
      if (candidate.name === targetPort && (candidate.protocol ?? 'TCP') === protocol) return candidate.containerPort
  return undefined
}

/** The name DNS gives the pod under this Service, if it asks for one. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec
  return hostname && subdomain === service.metadata.name ? hostname : undefined
}

export function targetOf(pod: Pod) {
  const { name, namespace, uid } = pod.metadata
  return { kind: 'Pod', namespace, name, uid }
}

/** When the last of the pods became ready or stopped being it. */
export function lastChange(service: Service, selected: readonly Pod[]): string | undefined {
  const times = selected.map(pod => findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime)
  return [service.metadata.creationTimestamp, ...times]
    .filter(time => time !== undefined)
    .sort()
    .at(-1)
}

/** Reconciles the Services a pod stands behind, before and after a change that shows in their endpoints. */
export const onSelectedPods: Watch = on(pods, (pod, old, change, cluster) => {
  if (change === 'updated' && old && shownState(pod) === shownState(old)) return undefined
  const all = cluster.informers.get(services).list(pod.metadata.namespace)
  const concerned = all.filter(
    service =>
      isManaged(service) && [pod, old].some(state => state && selectsMap(service.spec.selector, state.metadata.labels)),
  )
  return concerned.map((service): ObjectKey => keyOf(service))
})

function shownState(pod: Pod): string {
  const { podIPs, podIP } = pod.status ?? {}
  const { nodeName, hostname, subdomain } = pod.spec
  const flags = [isReady(pod), isTerminal(pod), isTerminating(pod)]
  return JSON.stringify([pod.metadata.labels, podIP, podIPs, nodeName, hostname, subdomain, flags])
}
