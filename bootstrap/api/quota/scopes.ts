/** Which pods and claims a scoped quota is about (upstream: pkg/quota/v1/evaluator/core). */

import { podAmounts } from '../amounts.ts'
import type { PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement } from '../types.gen.ts'

/** Whether the quota counts this object. Scopes name pods, but for one that names claims. */
export function inScope(quota: ResourceQuota, resource: string, object: object): boolean {
  const scopes: readonly ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists' })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ]
  return scopes.every(scope => matches(scope, resource, object))
}

function matches(scope: ScopedResourceSelectorRequirement, resource: string, object: object): boolean {
  if (scope.scopeName === 'VolumeAttributesClass') {
    return (
      resource === 'persistentvolumeclaims' &&
      selects(scope, (object as PersistentVolumeClaim).spec?.volumeAttributesClassName)
    )
  }
  if (resource !== 'pods') return false
  const pod = object as Pod
  switch (scope.scopeName) {
    case 'Terminating':
      return pod.spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return pod.spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return isBestEffort(pod)
    case 'NotBestEffort':
      return !isBestEffort(pod)
    case 'PriorityClass':
      return selects(scope, pod.spec.priorityClassName)
    case 'CrossNamespacePodAffinity':
      return crossesNamespaces(pod)
    default:
      return false
  }
}

function selects({ operator, values = [] }: ScopedResourceSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'DoesNotExist':
      return !value
    default:
      return Boolean(value)
  }
}

function isBestEffort(pod: Pod): boolean {
  const amounts = [...podAmounts(pod, 'requests'), ...podAmounts(pod, 'limits')]
  return !amounts.some(([resource, quantity]) => (resource === 'cpu' || resource === 'memory') && quantity.sign() > 0)
}

function crossesNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {}
  const terms = [podAffinity, podAntiAffinity].flatMap(affinity => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weighted => weighted.podAffinityTerm),
  ])
  return terms.some(term => term.namespaces?.length || term.namespaceSelector)
}
