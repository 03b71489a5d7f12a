/** What one object counts for against quotas (upstream pkg/quota/v1/evaluator/core). */
import { type Amounts, amountsOf, podAmounts } from '../amounts.ts'
import type { GroupResource, KubeObject } from '../object.ts'
import { isTerminal } from '../pods.ts'
import { Quantity } from '../quantity.ts'
import type { PersistentVolumeClaim, Pod, Service } from '../types.gen.ts'

const one = Quantity.of(1)
const countPrefix = 'count/'
const classSuffix = '.storageclass.storage.k8s.io/'
const claims = 'persistentvolumeclaims'
const storage = 'requests.storage'
/** Core resources a quota also names without "count/". */
const plainCounts = new Set(['configmaps', claims, 'replicationcontrollers', 'resourcequotas', 'secrets', 'services'])
const computeResources = new Set(['cpu', 'memory', 'ephemeral-storage'])

/** Which objects the bound of a quota is about. */
export function countedBy(bound: string): GroupResource {
  if (bound.startsWith(countPrefix)) {
    const [, resource = '', group = ''] = /^([^.]*)\.?(.*)$/.exec(bound.slice(countPrefix.length)) ?? []
    return { group, resource }
  }
  if (plainCounts.has(bound)) return { group: '', resource: bound }
  if (bound.startsWith('services.')) return { group: '', resource: 'services' }
  if (bound === storage || bound.includes(classSuffix)) return { group: '', resource: claims }
  return { group: '', resource: 'pods' }
}

/** Amounts by the names quotas bound them under. */
export function usageOf({ group, resource }: GroupResource, object: KubeObject): Amounts {
  const usage = new Map([[countPrefix + (group === '' ? resource : `${resource}.${group}`), one]])
  if (group === '') addCore(usage, resource, object)
  return usage
}

function addCore(usage: Map<string, Quantity>, resource: string, object: KubeObject): void {
  if (plainCounts.has(resource)) usage.set(resource, one)
  if (resource === 'pods') addPod(usage, object as Pod)
  else if (resource === 'services') addService(usage, object as Service)
  else if (resource === claims) addClaim(usage, object as PersistentVolumeClaim)
}

/** A pod that has ended takes no more than its place in the store. */
function addPod(usage: Map<string, Quantity>, pod: Pod): void {
  if (isTerminal(pod)) return
  usage.set('pods', one)
  for (const [resource, quantity] of podAmounts(pod, 'requests')) {
    usage.set(`requests.${resource}`, quantity)
    if (computeResources.has(resource) || resource.startsWith('hugepages-')) usage.set(resource, quantity)
  }
  for (const [resource, quantity] of podAmounts(pod, 'limits')) usage.set(`limits.${resource}`, quantity)
}

function addService(usage: Map<string, Quantity>, { spec }: Service): void {
  const balanced = spec?.type === 'LoadBalancer'
  const allocates = spec.type === 'NodePort' || (balanced && spec.allocateLoadBalancerNodePorts !== false)
  const ports = (spec.ports ?? []).filter(port => allocates || (balanced && port.nodePort))
  usage.set('services.loadbalancers', balanced ? one : Quantity.zero)
  usage.set('services.nodeports', Quantity.of(ports.length))
}

function addClaim(usage: Map<string, Quantity>, { metadata, spec }: PersistentVolumeClaim): void {
  const className = metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? spec.storageClassName
  const size = amountsOf(spec.resources?.requests).get('storage')
  if (size) usage.set(storage, size)
  if (!className) return
  usage.set(className + classSuffix + claims, one)
  if (size) usage.set(className + classSuffix + storage, size)
}
