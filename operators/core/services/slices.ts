/** What a Service's EndpointSlices should hold, and how to change the present ones least (upstream endpointslice). */

import type { DiscoveryV1EndpointPort, Endpoint } from '../../../bootstrap/api/types.gen.ts'
import type { EndpointSlice, Node, Pod, Service } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { controllerReference } from '../../runtime/apply.ts'
import { isReady, isTerminating } from '../../runtime/pods.ts'
import { addressOf, type Family, hostnameOf, isHeadless, portNumber, targetOf } from './selected-pods.ts'

export const serviceLabel = 'kubernetes.io/service-name'
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
export const manager = 'endpointslice-controller.k8s.io'
const headlessLabel = 'service.kubernetes.io/headless'
const zoneLabel = 'topology.kubernetes.io/zone'
const maxEndpoints = 100

/** Endpoints that share their ports, and so may share slices. */
export interface Group {
  readonly family: Family
  readonly ports: readonly DiscoveryV1EndpointPort[]
  readonly endpoints: readonly Endpoint[]
}

export interface Plan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly remove: readonly EndpointSlice[]
}

/** The Service's endpoints of one family by their ports; one empty group when there are none. */
export function groupsOf(
  service: Service,
  pods: readonly Pod[],
  family: Family,
  nodeOf: (name: string) => Node | undefined,
): readonly Group[] {
  const groups = new Map<string, { ports: readonly DiscoveryV1EndpointPort[]; endpoints: Endpoint[] }>()
  for (const pod of pods) {
    const address = addressOf(pod, family)
    if (address === undefined) continue
    const ports = portsOf(service, pod)
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, endpoints: [] }
    groups.set(key, group)
    group.endpoints.push(endpointOf(service, pod, address, nodeOf(pod.spec.nodeName ?? '')))
  }
  if (groups.size === 0) return [{ family, ports: [], endpoints: [] }]
  return [...groups.values()].map(group => ({ family, ...group }))
}

function portsOf(service: Service, pod: Pod): readonly DiscoveryV1EndpointPort[] {
  return (service.spec.ports ?? []).flatMap(port => {
    const number = portNumber(pod, port)
    if (number === undefined) return []
    const { name = '', protocol = 'TCP', appProtocol } = port
    return [{ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }]
  })
}

function endpointOf(service: Service, pod: Pod, address: string, node: Node | undefined): Endpoint {
  const serving = isReady(pod)
  const terminating = isTerminating(pod)
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating)
  const zone = node?.metadata.labels?.[zoneLabel]
  const hostname = hostnameOf(pod, service)
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    ...(pod.spec.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: targetOf(pod),
    ...(zone ? { zone } : {}),
  }
}

/** The least change from the present slices to the groups. */
export function planSlices(
  service: Service,
  groups: readonly Group[],
  existing: readonly EndpointSlice[],
  annotations: { readonly [key: string]: string },
): Plan {
  const create: EndpointSlice[] = []
  const update: EndpointSlice[] = []
  const unused = new Set(existing)
  for (const group of groups) {
    const slices = existing.filter(slice => unused.has(slice) && belongs(slice, group))
    const filled = fill(group.endpoints, slices)
    for (const [slice, endpoints] of filled.kept) {
      if (endpoints.length === 0 && group.endpoints.length > 0) continue
      unused.delete(slice)
      const next = sliceOf(service, group, endpoints, annotations, slice)
      if (differs(slice, next)) update.push(next)
    }
    const rest = filled.rest.length === 0 && slices.every(slice => unused.has(slice)) ? [[]] : chunks(filled.rest)
    for (const endpoints of rest) create.push(sliceOf(service, group, endpoints, annotations, undefined))
  }
  return { create, update, remove: [...unused] }
}

function belongs(slice: EndpointSlice, { family, ports }: Group): boolean {
  return slice.addressType === family && sameJson(slice.ports ?? [], ports)
}

/** Leaves endpoints where they are, and fills what is left into slices with room. */
function fill(endpoints: readonly Endpoint[], slices: readonly EndpointSlice[]) {
  const wanted = new Map(endpoints.map(endpoint => [identity(endpoint), endpoint]))
  const kept = new Map<EndpointSlice, Endpoint[]>()
  for (const slice of slices) {
    const still: Endpoint[] = []
    for (const { addresses, targetRef } of slice.endpoints ?? []) {
      const id = identity({ addresses, targetRef })
      const endpoint = wanted.get(id)
      if (endpoint) still.push(endpoint)
      wanted.delete(id)
    }
    kept.set(slice, still)
  }
  const rest = [...wanted.values()]
  for (const still of kept.values()) still.push(...rest.splice(0, Math.max(0, maxEndpoints - still.length)))
  return { kept, rest }
}

const identity = ({ addresses, targetRef }: Pick<Endpoint, 'addresses' | 'targetRef'>) =>
  `${targetRef?.uid}/${addresses.join()}`

function chunks(endpoints: readonly Endpoint[]): Endpoint[][] {
  const count = Math.ceil(endpoints.length / maxEndpoints)
  return Array.from({ length: count }, (_, index) => endpoints.slice(index * maxEndpoints, (index + 1) * maxEndpoints))
}

function sliceOf(
  service: Service,
  { family, ports }: Group,
  endpoints: readonly Endpoint[],
  annotations: { readonly [key: string]: string },
  old: EndpointSlice | undefined,
): EndpointSlice {
  const { name = '', namespace } = service.metadata
  const labels = {
    ...service.metadata.labels,
    [serviceLabel]: name,
    [managedByLabel]: manager,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
  }
  const made = { generateName: `${name}-`, namespace, ownerReferences: [controllerReference(service)] }
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...(old?.metadata ?? made), labels, annotations: { ...old?.metadata.annotations, ...annotations } },
    addressType: family,
    endpoints,
    ports,
  }
}

/** Whether more than the trigger time has changed. */
function differs(old: EndpointSlice, next: EndpointSlice): boolean {
  return (
    !sameJson(old.endpoints ?? [], next.endpoints) ||
    !sameJson(old.ports ?? [], next.ports) ||
    !sameJson(old.metadata.labels, next.metadata.labels)
  )
}
