/** What hand-made Endpoints look like as EndpointSlices (upstream pkg/controller/endpointslicemirroring). */
import { isIP } from 'node:net'
import type { CoreV1EndpointPort, DiscoveryV1EndpointPort, Endpoint } from '../../../bootstrap/api/types.gen.ts'
import type { EndpointSlice, Endpoints } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { controllerReference } from '../../runtime/apply.ts'
import type { Family } from './selected-pods.ts'
import { managedByLabel, type Plan, serviceLabel } from './slices.ts'

export const mirrorManager = 'endpointslicemirroring-controller.k8s.io'
export const maxMirrored = 1000
const unmirroredAnnotations = new Set([
  'endpoints.kubernetes.io/last-change-trigger-time',
  'kubectl.kubernetes.io/last-applied-configuration',
])

type Address = NonNullable<NonNullable<NonNullable<Endpoints['subsets']>[number]>['addresses']>[number]

/** Endpoints of one family that share their ports: one slice. */
interface Group {
  readonly family: Family
  readonly ports: readonly DiscoveryV1EndpointPort[]
  readonly endpoints: Map<string, Endpoint>
}

export interface Mirror {
  readonly groups: readonly Group[]
  /** Addresses that are no IP addresses. */
  readonly invalid: number
  /** Addresses beyond what one subset may mirror. */
  readonly surplus: number
}

/** The endpoints by family and ports; of an address that is there twice the last mention counts. */
export function mirrorOf({ subsets = [] }: Endpoints): Mirror {
  const groups = new Map<string, Group>()
  let invalid = 0
  let surplus = 0
  for (const { addresses = [], notReadyAddresses = [], ports: given = [] } of subsets) {
    const ports = given.map(portOf)
    const all = [
      ...addresses.map(address => ({ address, ready: true })),
      ...notReadyAddresses.map(address => ({ address, ready: false })),
    ]
    const valid = all.filter(({ address }) => isIP(address.ip) !== 0)
    invalid += all.length - valid.length
    surplus += Math.max(0, valid.length - maxMirrored)
    for (const { address, ready } of valid.slice(0, maxMirrored)) {
      const family: Family = isIP(address.ip) === 6 ? 'IPv6' : 'IPv4'
      const key = JSON.stringify([family, ports])
      const group = groups.get(key) ?? { family, ports, endpoints: new Map() }
      groups.set(key, group)
      group.endpoints.set(
        `${address.ip}/${address.targetRef?.namespace}/${address.targetRef?.name}`,
        endpointOf(address, ready),
      )
    }
  }
  return { groups: [...groups.values()], invalid, surplus }
}

function portOf({ name = '', port, protocol = 'TCP', appProtocol }: CoreV1EndpointPort): DiscoveryV1EndpointPort {
  return { name, port, protocol, ...(appProtocol ? { appProtocol } : {}) }
}

function endpointOf({ ip, hostname, nodeName, targetRef }: Address, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  }
}

/** The least change from the present slices to one for each group; a slice no group needs is used for another. */
export function planMirror(endpoints: Endpoints, groups: readonly Group[], existing: readonly EndpointSlice[]): Plan {
  const unused = new Set(existing)
  const take = (fits: (slice: EndpointSlice) => boolean): EndpointSlice | undefined => {
    const found = [...unused].find(fits)
    if (found) unused.delete(found)
    return found
  }
  const kept = groups.map(group => ({
    group,
    slice: take(slice => slice.addressType === group.family && sameJson(slice.ports ?? [], group.ports)),
  }))
  const create: EndpointSlice[] = []
  const update: EndpointSlice[] = []
  for (const { group, slice } of kept) {
    const base = slice ?? take(candidate => candidate.addressType === group.family)
    const next = sliceOf(endpoints, group, base)
    if (!base) create.push(next)
    else if (differs(base, next)) update.push(next)
  }
  return { create, update, remove: [...unused] }
}

function sliceOf({ metadata, ...endpoints }: Endpoints, group: Group, base: EndpointSlice | undefined): EndpointSlice {
  const { name = '', namespace } = metadata
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => !unmirroredAnnotations.has(key))
  const ownerReferences = [controllerReference({ ...endpoints, metadata })]
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...(base?.metadata ?? { generateName: `${name}-`, namespace }),
      ownerReferences,
      labels: { ...metadata.labels, [serviceLabel]: name, [managedByLabel]: mirrorManager },
      annotations: Object.fromEntries(annotations),
    },
    addressType: group.family,
    endpoints: [...group.endpoints.values()],
    ports: group.ports,
  }
}

function differs(old: EndpointSlice, next: EndpointSlice): boolean {
  return (
    !sameJson(old.endpoints ?? [], next.endpoints) ||
    !sameJson(old.ports ?? [], next.ports) ||
    !sameJson(old.metadata.labels, next.metadata.labels) ||
    !sameJson(old.metadata.annotations ?? {}, next.metadata.annotations)
  )
}
