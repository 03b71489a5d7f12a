/** What a PodDisruptionBudget's status should say (upstream disruption.go). */
import type { Condition, PodDisruptionBudgetStatus } from '../../../../bootstrap/api/types.gen.ts'
import type { Pod, PodDisruptionBudget } from '../../../../bootstrap/client/resources.ts'
import { findCondition } from '../../../runtime/conditions.ts'
import { isReady, isTerminating } from '../../../runtime/pods.ts'
import { millis, timestamp } from '../../../runtime/time.ts'

/** How long an evicted pod may take to start terminating. */
const deletionTimeoutMs = 120_000

const percentage = /^\d+%$/

/** Whether the budget is reckoned from what the pods' controllers want, and not from the pods there are. */
export function needsScale({ maxUnavailable, minAvailable }: PodDisruptionBudget['spec']): boolean {
  return maxUnavailable !== undefined || typeof minAvailable === 'string'
}

/** How many of the expected pods must stay healthy. Throws when the budget is neither a number nor a percentage. */
export function desiredHealthy(
  { maxUnavailable, minAvailable }: PodDisruptionBudget['spec'],
  expected: number,
): number {
  if (maxUnavailable !== undefined) return Math.max(0, expected - scaledUp(maxUnavailable, expected))
  return scaledUp(minAvailable ?? 0, expected)
}

function scaledUp(value: number | string, total: number): number {
  if (typeof value === 'number') return value
  if (!percentage.test(value))
    throw new Error(`invalid value for IntOrString: invalid type: string is not a percentage`)
  return Math.ceil((Number.parseInt(value, 10) * total) / 100)
}

export interface Disrupted {
  /** Evicted pods that are still to be deleted, with the time of their eviction. */
  readonly pods: { readonly [name: string]: string }
  /** Those that were not deleted in time. */
  readonly overdue: readonly Pod[]
  /** Milliseconds until the first of `pods` becomes overdue. */
  readonly recheckMs?: number
}

/** What has become of the pods the API server has granted eviction. */
export function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], now: number): Disrupted {
  const noted = budget.status?.disruptedPods ?? {}
  const left: { [name: string]: string } = {}
  const overdue: Pod[] = []
  let recheckMs = Number.POSITIVE_INFINITY
  for (const pod of pods) {
    const { name = '' } = pod.metadata
    const since = noted[name]
    if (since === undefined || isTerminating(pod)) continue
    const remaining = millis(since) + deletionTimeoutMs - now
    if (remaining <= 0) overdue.push(pod)
    else {
      left[name] = since
      recheckMs = Math.min(recheckMs, remaining)
    }
  }
  return { pods: left, overdue, ...(Number.isFinite(recheckMs) ? { recheckMs } : {}) }
}

/** Ready pods that nobody is about to take away. */
export function countHealthy(pods: readonly Pod[], disrupted: Disrupted): number {
  return pods.filter(pod => !isTerminating(pod) && !((pod.metadata.name ?? '') in disrupted.pods) && isReady(pod))
    .length
}

export interface Count {
  readonly expected: number
  readonly desired: number
  readonly healthy: number
}

export function statusOf(
  { metadata, status }: PodDisruptionBudget,
  { expected, desired, healthy }: Count,
  { pods }: Disrupted,
  now: number,
): PodDisruptionBudgetStatus {
  const disruptionsAllowed = expected > 0 ? Math.max(0, healthy - desired) : 0
  const reason = disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods'
  const observedGeneration = metadata.generation
  return {
    observedGeneration,
    ...(Object.keys(pods).length > 0 ? { disruptedPods: pods } : {}),
    disruptionsAllowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    conditions: withCondition(status, { reason, message: '', observedGeneration }, now),
  }
}

/** Where the count failed, nothing may be disrupted: the last figures stay otherwise. */
export function failedStatus({ status }: PodDisruptionBudget, message: string, now: number): PodDisruptionBudgetStatus {
  const { observedGeneration } = status ?? {}
  const conditions = withCondition(status, { reason: 'SyncFailed', message, observedGeneration }, now)
  return { currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...status, disruptionsAllowed: 0, conditions }
}

function withCondition(
  status: PodDisruptionBudgetStatus | undefined,
  next: Pick<Condition, 'reason' | 'message' | 'observedGeneration'>,
  now: number,
): readonly Condition[] {
  const type = 'DisruptionAllowed'
  const allowed = next.reason === 'SufficientPods' ? 'True' : 'False'
  const old = findCondition(status?.conditions, type)
  const lastTransitionTime = old?.status === allowed ? old.lastTransitionTime : timestamp(now)
  const condition: Condition = { type, status: allowed, ...next, lastTransitionTime }
  return [...(status?.conditions ?? []).filter(other => other.type !== type), condition]
}
