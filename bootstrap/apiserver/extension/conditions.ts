/** The conditions of a CustomResourceDefinition. */
import { rfc3339 } from '../../api/time.ts'
import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../../api/types.gen.ts'

export type Condition = CustomResourceDefinitionCondition

export const approvalAnnotation = 'api-approved.kubernetes.io'

export function conditionOf(crd: CustomResourceDefinition, type: string): Condition | undefined {
  return crd.status?.conditions?.find(condition => condition.type === type)
}

export function hasCondition(crd: CustomResourceDefinition, type: string): boolean {
  return conditionOf(crd, type)?.status === 'True'
}

/** The conditions with one set; the transition time moves only with the status. The list itself when nothing changes. */
export function withCondition(
  conditions: readonly Condition[],
  condition: Omit<Condition, 'lastTransitionTime'>,
  now: number,
): readonly Condition[] {
  const old = conditions.find(({ type }) => type === condition.type)
  if (old?.status === condition.status && old.reason === condition.reason && old.message === condition.message) {
    return conditions
  }
  const lastTransitionTime = old?.status === condition.status ? old.lastTransitionTime : rfc3339(now)
  const next = { ...condition, lastTransitionTime }
  return old ? conditions.map(other => (other === old ? next : other)) : [...conditions, next]
}

export function isProtectedGroup(group: string): boolean {
  return /(^|\.)(k8s|kubernetes)\.io$/.test(group)
}

/** Whether a definition in a group of the Kubernetes project says that it was approved. */
export function approvalOf(crd: CustomResourceDefinition): Omit<Condition, 'lastTransitionTime'> & { message: string } {
  const type = 'KubernetesAPIApprovalPolicyConformant'
  const value = crd.metadata.annotations?.[approvalAnnotation]
  const answer = (status: string, reason: string, message: string) => ({ type, status, reason, message })
  if (value === undefined || value === '') {
    const rule = `protected groups must have approval annotation "${approvalAnnotation}"`
    return answer('False', 'MissingAnnotation', `${rule}, see https://github.com/kubernetes/enhancements/pull/1111`)
  }
  if (value.startsWith('unapproved'))
    return answer('False', 'UnapprovedAnnotation', `not approved: ${JSON.stringify(value)}`)
  if (URL.canParse(value) && new URL(value).host !== '')
    return answer('True', 'ApprovedAnnotation', `approved in ${value}`)
  const rule = `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved"`
  return answer('False', 'InvalidAnnotation', `${rule}, see https://github.com/kubernetes/enhancements/pull/1111`)
}
