/** What a failed pod means for its Job (upstream job/pod_failure_policy.go). */
import type { PodFailurePolicyRule } from '../../../../bootstrap/api/types.gen.ts'
import type { Job, Pod } from '../../../../bootstrap/client/resources.ts'

export interface Judgement {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count'
  /** Why the Job fails, for `FailJob`. */
  readonly message?: string
}

/** The action of the first rule that matches; without one the failure counts. */
export function judge(job: Job, pod: Pod): Judgement {
  const rules = job.spec.podFailurePolicy?.rules ?? []
  for (const [index, rule] of rules.entries()) {
    const match = exitCodeMatch(rule, pod, index) ?? conditionMatch(rule, pod, index)
    if (match !== undefined) return { action: rule.action as Judgement['action'], message: match }
  }
  return { action: 'Count' }
}

function exitCodeMatch({ action, onExitCodes }: PodFailurePolicyRule, pod: Pod, index: number): string | undefined {
  if (!onExitCodes) return undefined
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {}
  for (const { name, state } of [...containerStatuses, ...initContainerStatuses]) {
    const code = state?.terminated?.exitCode ?? 0
    if (code === 0 || (onExitCodes.containerName && onExitCodes.containerName !== name)) continue
    if (onExitCodes.values.includes(code) !== (onExitCodes.operator === 'In')) continue
    const subject = `Container ${name} for pod ${pod.metadata.namespace}/${pod.metadata.name}`
    return `${subject} failed with exit code ${code} matching ${action} rule at index ${index}`
  }
  return undefined
}

function conditionMatch(rule: PodFailurePolicyRule, pod: Pod, index: number): string | undefined {
  for (const { type, status = 'True' } of rule.onPodConditions ?? []) {
    const met = pod.status?.conditions?.some(condition => condition.type === type && condition.status === status)
    if (!met) continue
    const subject = `Pod ${pod.metadata.namespace}/${pod.metadata.name}`
    return `${subject} has condition ${type} matching ${rule.action} rule at index ${index}`
  }
  return undefined
}
