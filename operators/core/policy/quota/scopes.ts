/** Which objects a scoped quota is about (upstream pkg/quota/v1/evaluator/core). */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import type { ScopedResourceSelectorRequirement } from '../../../../bootstrap/api/types.gen.ts'
import type { PersistentVolumeClaim, Pod, ResourceQuota } from '../../../../bootstrap/client/resources.ts'
import { podAmounts } from './amounts.ts'

/** Whether the quota counts the object of this core resource; all scopes must agree. */
export function inScope({ spec }: ResourceQuota, resource: string, object: KubeObject): boolean {
  const scopes: readonly ScopedResourceSelectorRequirement[] = [
    ...(spec.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists' })),
    ...(spec.scopeSelector?.matchExpressions ?? []),
  ]
  return scopes.every(scope => {
    if (scope.scopeName === 'VolumeAttributesClass')
      return resource === 'persistentvolumeclaims' && ofClass(scope, object)
    return resource === 'pods' && covers(scope, object as Pod)
  })
}

function ofClass(scope: ScopedResourceSelectorRequirement, object: KubeObject): boolean {
  return accepts(scope, (object as PersistentVolumeClaim).spec.volumeAttributesClassName)
}

function covers(scope: ScopedResourceSelectorRequirement, { spec }: Pod): boolean {
  switch (scope.scopeName) {
    case 'Terminating':
      return spec.activeDeadlineSeconds !== undefined
    case 'NotTerminating':
      return spec.activeDeadlineSeconds === undefined
    case 'BestEffort':
      return isBestEffort(spec)
    case 'NotBestEffort':
      return !isBestEffort(spec)
    case 'PriorityClass':
      return accepts(scope, spec.priorityClassName)
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(spec)
    default:
      return false
  }
}

function accepts({ operator, values = [] }: ScopedResourceSelectorRequirement, value: string | undefined): boolean {
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

function isBestEffort(spec: Pod['spec']): boolean {
  const amounts = [podAmounts(spec, 'requests'), podAmounts(spec, 'limits')]
  return amounts.every(each => ['cpu', 'memory'].every(resource => (each.get(resource)?.sign() ?? 0) <= 0))
}

function reachesOtherNamespaces({ affinity }: Pod['spec']): boolean {
  const terms = [affinity?.podAffinity, affinity?.podAntiAffinity].flatMap(each => [
    ...(each?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(each?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weighted => weighted.podAffinityTerm),
  ])
  return terms.some(term => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined)
}
