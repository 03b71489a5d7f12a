/** What one object counts for against quotas (upstream: pkg/quota/v1/evaluator/core). */
import type { KubeObject } from '../../api/object.ts'
import { Quantity } from '../../api/quantity.ts'
import type { PersistentVolumeClaim, Pod, Service } from '../../api/types.gen.ts'
import { type Amounts, addAmounts, amountsOf, podAmounts } from './pod-resources.ts'

const one = Quantity.of(1)

/** Core resources that quotas also name without "count/". */
const plainCounts = new Set([
  'configmaps',
  'persistentvolumeclaims',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
])

/** Resource name to amount, for an object of `resource` in `group`. */
export function usageOf(group: string, resource: string, object: KubeObject): Amounts {
  const usage = new Map<string, Quantity>()
  usage.set(`count/${group === '' ? resource : `${resource}.${group}`}`, one)
  if (group !== '') return usage
  if (plainCounts.has(resource)) usage.set(resource, one)
  if (resource === 'pods') addPod(usage, object as unknown as Pod)
  else if (resource === 'services') addService(usage, object as unknown as Service)
  else if (resource === 'persistentvolumeclaims') addClaim(usage, object as unknown as PersistentVolumeClaim)
  return usage
}

/** A pod that has ended uses nothing but its place in the store. */
export const hasEnded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'

function addPod(usage: Map<string, Quantity>, pod: Pod): void {
  if (hasEnded(pod)) return
  usage.set('pods', one)
  for (const [resource, quantity] of podAmounts(pod, 'requests')) {
    usage.set(`requests.${resource}`, quantity)
    if (isCompute(resource)) usage.set(resource, quantity)
  }
  for (const [resource, quantity] of podAmounts(pod, 'limits')) usage.set(`limits.${resource}`, quantity)
}

const isCompute = (resource: string): boolean =>
  ['cpu', 'memory', 'ephemeral-storage'].includes(resource) || resource.startsWith('hugepages-')

function addService(usage: Map<string, Quantity>, { spec }: Service): void {
  const ports = Quantity.of(spec?.ports?.length ?? 0)
  const balanced = spec?.type === 'LoadBalancer'
  const withNodePorts = balanced && spec?.allocateLoadBalancerNodePorts !== false
  const chosen = Quantity.of(spec?.ports?.filter(port => port.nodePort).length ?? 0)
  usage.set('services.loadbalancers', balanced ? one : Quantity.zero)
  usage.set(
    'services.nodeports',
    spec?.type === 'NodePort' || withNodePorts ? ports : balanced ? chosen : Quantity.zero,
  )
}

function addClaim(usage: Map<string, Quantity>, claim: PersistentVolumeClaim): void {
  const name = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName
  const storage = amountsOf(claim.spec?.resources?.requests).get('storage')
  const counted = new Map([['persistentvolumeclaims', one]])
  if (storage) counted.set('requests.storage', storage)
  const ofClass = [...counted].map(
    ([resource, quantity]) => [`${name}.storageclass.storage.k8s.io/${resource}`, quantity] as const,
  )
  if (storage) usage.set('requests.storage', storage)
  if (name) addAmounts(usage, new Map(ofClass))
}

const boundByRequest = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory'])

/** What a quota bounds but a container leaves open: "limits.cpu for: a,b; memory for: a". Empty when all is said. */
export function unspecified(pod: Pod, hard: Iterable<string>): string {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
  const podLevel = pod.spec.resources
  const problems: string[] = []
  for (const bound of [...hard].filter(resource => boundByRequest.has(resource)).sort()) {
    const [field, resource] = bound.startsWith('limits.')
      ? (['limits', bound.slice('limits.'.length)] as const)
      : (['requests', bound.replace('requests.', '')] as const)
    if (podLevel?.[field]?.[resource] !== undefined) continue
    const open = containers.filter(container => container.resources?.[field]?.[resource] === undefined)
    if (open.length > 0)
      problems.push(
        `${bound} for: ${open
          .map(container => container.name)
          .sort()
          .join(',')}`,
      )
  }
  return problems.join('; ')
}
