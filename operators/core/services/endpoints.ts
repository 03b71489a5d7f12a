/** Publishes the pods behind each Service as v1 Endpoints (upstream pkg/controller/endpoint). */

import { ignoreNotFound, isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey, splitKey } from '../../../bootstrap/api/object.ts'
import type { CoreV1EndpointPort, EndpointAddress, EndpointSubset } from '../../../bootstrap/api/types.gen.ts'
import { type Endpoints, endpoints, type Pod, type Service, services } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isReady, isTerminating } from '../../runtime/pods.ts'
import {
  addressOf,
  type Family,
  familiesOf,
  hostnameOf,
  isHeadless,
  isManaged,
  lastChange,
  onSelectedPods,
  portNumber,
  selectedPods,
  targetOf,
} from './selected-pods.ts'

const capacity = 1000
const triggerTime = 'endpoints.kubernetes.io/last-change-trigger-time'
const overCapacity = 'endpoints.kubernetes.io/over-capacity'
const headlessLabel = 'service.kubernetes.io/headless'
const managedBy = 'endpoints.kubernetes.io/managed-by'

export function endpointsController(): Operator {
  return {
    name: 'endpoint-controller',
    watches: [on(services, service => keyOf(service)), on(endpoints, object => keyOf(object)), onSelectedPods],
    concurrency: 5,
    reconcile,
  }
}

async function reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
  const service = cluster.informers.get(services).get(key)
  const existing = cluster.informers.get(endpoints).get(key)
  if (!service) {
    if (existing?.metadata.labels?.[managedBy]) await remove(key, cluster)
    return done
  }
  if (isManaged(service)) await write(service, existing, cluster)
  return done
}

async function remove(key: ObjectKey, { client }: Cluster): Promise<void> {
  await client.delete(endpoints, splitKey(key)).catch(ignoreNotFound)
}

async function write(
  service: Service,
  existing: Endpoints | undefined,
  { client, ...cluster }: Cluster,
): Promise<void> {
  const selected = selectedPods(service, { client, ...cluster }).filter(
    pod => service.spec.publishNotReadyAddresses || !isTerminating(pod),
  )
  const { subsets, truncated } = subsetsOf(service, selected)
  const labels = {
    ...service.metadata.labels,
    ...(isHeadless(service) ? { [headlessLabel]: '' } : {}),
    [managedBy]: 'endpoint-controller',
  }
  const same = existing && sameJson(existing.subsets ?? [], subsets) && sameJson(existing.metadata.labels, labels)
  if (same) return
  const { [overCapacity]: _old, ...kept } = existing?.metadata.annotations ?? {}
  const time = lastChange(service, selected)
  const annotations = {
    ...kept,
    ...(time === undefined ? {} : { [triggerTime]: time }),
    ...(truncated ? { [overCapacity]: 'truncated' } : {}),
  }
  const { name, namespace } = service.metadata
  const object: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...(existing?.metadata ?? { name, namespace }), labels, annotations },
    ...(subsets.length > 0 ? { subsets } : {}),
  }
  if (existing) await client.update(endpoints, object)
  else
    await client.create(endpoints, object).catch(error => {
      if (!isAlreadyExists(error)) throw error
    })
}

interface Group {
  readonly ports: readonly CoreV1EndpointPort[]
  readonly ready: EndpointAddress[]
  readonly notReady: EndpointAddress[]
}

/** Addresses grouped by the ports they offer, in a stable order. */
function subsetsOf(service: Service, selected: readonly Pod[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const [family = 'IPv4'] = familiesOf(service)
  const groups = new Map<string, Group>()
  const offered = selected.filter(pod => addressOf(pod, family) !== undefined)
  for (const pod of offered.slice(0, capacity)) {
    const ports = portsOf(service, pod)
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] }
    groups.set(key, group)
    const ready = service.spec.publishNotReadyAddresses || isReady(pod)
    group[ready ? 'ready' : 'notReady'].push(endpointAddress(service, pod, family))
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
  return { subsets: sorted.map(([, group]) => subset(group)), truncated: offered.length > capacity }
}

function subset({ ports, ready, notReady }: Group): EndpointSubset {
  return {
    ...(ready.length > 0 ? { addresses: ready.sort(byAddress) } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byAddress) } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  }
}

const byAddress = (a: EndpointAddress, b: EndpointAddress) => (a.ip < b.ip ? -1 : 1)

function portsOf(service: Service, pod: Pod): readonly CoreV1EndpointPort[] {
  return (service.spec.ports ?? []).flatMap(port => {
    const number = portNumber(pod, port)
    if (number === undefined) return []
    const { name, protocol = 'TCP', appProtocol } = port
    return [{ ...(name ? { name } : {}), port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }]
  })
}

function endpointAddress(service: Service, pod: Pod, family: Family): EndpointAddress {
  const hostname = hostnameOf(pod, service)
  const { nodeName } = pod.spec
  return {
    ip: addressOf(pod, family) ?? '',
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: targetOf(pod),
  }
}
