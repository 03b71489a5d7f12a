/** Whether a Job is done, and the conditions that say so (upstream job_controller.go, syncJob). */
import type { JobCondition } from '../../../../bootstrap/api/types.gen.ts'
import type { Job, Pod } from '../../../../bootstrap/client/resources.ts'
import { findCondition, isTrue, setCondition } from '../../../runtime/conditions.ts'
import { millis, timestamp } from '../../../runtime/time.ts'
import { type Account, completionsOf, isIndexed } from './accounting.ts'
import { judge } from './failure-policy.ts'
import { countsPerIndex } from './index-failures.ts'
import { parseIndexes } from './indexes.ts'

export interface Verdict {
  readonly type: 'FailureTarget' | 'SuccessCriteriaMet'
  readonly reason: string
  readonly message: string
}

export function isFinished(job: Job): boolean {
  return isTrue(job.status?.conditions, 'Complete') || isTrue(job.status?.conditions, 'Failed')
}

/** What has been decided, now or before; undefined while the Job goes on. */
export function verdictOf(
  job: Job,
  owned: readonly Pod[],
  account: Account,
  active: number,
  now: number,
): Verdict | undefined {
  for (const type of ['FailureTarget', 'SuccessCriteriaMet'] as const) {
    const decided = findCondition(job.status?.conditions, type)
    if (decided?.status === 'True') return { type, reason: decided.reason ?? '', message: decided.message ?? '' }
  }
  return failure(job, owned, account, now) ?? success(job, account, active)
}

function failure(job: Job, owned: readonly Pod[], account: Account, now: number): Verdict | undefined {
  const type = 'FailureTarget'
  const fatal = owned.filter(pod => pod.status?.phase === 'Failed').map(pod => judge(job, pod))
  const message = fatal.find(({ action }) => action === 'FailJob')?.message
  if (message !== undefined) return { type, reason: 'PodFailurePolicy', message }
  const { maxFailedIndexes, completions } = job.spec
  if (maxFailedIndexes !== undefined && account.failedIndexes.size > maxFailedIndexes) {
    const tooMany = 'Job has exceeded the specified maximal number of failed indexes'
    return { type, reason: 'MaxFailedIndexesExceeded', message: tooMany }
  }
  const ended = account.failedIndexes.size + account.completedIndexes.size
  if (account.failedIndexes.size > 0 && completions !== undefined && ended >= completions)
    return { type, reason: 'FailedIndexes', message: 'Job has failed indexes' }
  const limit = job.spec.backoffLimit ?? (countsPerIndex(job) ? Number.POSITIVE_INFINITY : 6)
  if (account.failed > limit || hasRestartedTooOften(job, owned, limit))
    return { type, reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  if (deadlineInMs(job, now) === 0)
    return { type, reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  return undefined
}

/** Containers that are restarted in their pods never make a pod fail: their restarts count instead. */
function hasRestartedTooOften(job: Job, owned: readonly Pod[], limit: number): boolean {
  if (job.spec.template.spec?.restartPolicy !== 'OnFailure') return false
  const alive = owned.filter(({ status }) => status?.phase === 'Running' || status?.phase === 'Pending')
  const containers = alive.flatMap(({ status }) => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ])
  const restarts = containers.reduce((sum, { restartCount }) => sum + restartCount, 0)
  return limit === 0 ? restarts > 0 : restarts >= limit
}

function success(job: Job, account: Account, active: number): Verdict | undefined {
  const type = 'SuccessCriteriaMet'
  const rule = successRule(job, account)
  if (rule >= 0) return { type, reason: 'SuccessPolicy', message: `Matched rules at index ${rule}` }
  const { completions } = job.spec
  const reached = completions === undefined ? account.succeeded > 0 && active === 0 : account.succeeded >= completions
  if (!reached || job.spec.suspend) return undefined
  return { type, reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
}

/** The number of the first success rule the completed indexes meet, or -1. */
function successRule(job: Job, { completedIndexes }: Account): number {
  if (!isIndexed(job)) return -1
  return (job.spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    const wanted = succeededIndexes === undefined ? undefined : parseIndexes(succeededIndexes, completionsOf(job))
    const met = wanted ? [...wanted].filter(index => completedIndexes.has(index)).length : completedIndexes.size
    return met >= (succeededCount ?? wanted?.size ?? 0)
  })
}

/** Milliseconds until the Job has been active for too long; undefined without a deadline. */
export function deadlineInMs(job: Job, now: number): number | undefined {
  const { activeDeadlineSeconds, suspend } = job.spec
  const { startTime } = job.status ?? {}
  if (activeDeadlineSeconds === undefined || startTime === undefined || suspend) return undefined
  return Math.max(0, millis(startTime) + activeDeadlineSeconds * 1000 - now)
}

/** The conditions with the verdict, and with its final form once no pod is left running. */
export function verdictConditions(
  job: Job,
  { type, reason, message }: Verdict,
  settled: boolean,
  now: number,
): readonly JobCondition[] {
  const decided = withJobCondition(job.status?.conditions, type, 'True', reason, message, now)
  if (!settled) return decided
  return withJobCondition(decided, type === 'FailureTarget' ? 'Failed' : 'Complete', 'True', reason, message, now)
}

export function withJobCondition(
  conditions: readonly JobCondition[] | undefined,
  type: string,
  status: string,
  reason: string,
  message: string,
  now: number,
): readonly JobCondition[] {
  const known = findCondition(conditions, type)
  if (known?.status === status && known.reason === reason && known.message === message) return conditions ?? []
  return setCondition<JobCondition>(conditions, { type, status, reason, message, lastProbeTime: timestamp(now) }, now)
}
