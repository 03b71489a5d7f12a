/** Failures index by index, for Jobs with backoffLimitPerIndex (upstream job/indexed_job_utils.go). */
import type { Job, Pod } from '../../../../bootstrap/client/resources.ts'
import { finishedAt, retryDelayMs } from './backoff.ts'
import { judge } from './failure-policy.ts'
import { indexOf, parseIndexes } from './indexes.ts'

export const failureCountKey = 'batch.kubernetes.io/job-index-failure-count'

export const countsPerIndex = (job: Job): boolean => job.spec.backoffLimitPerIndex !== undefined

/** Indexes that are given up: by the status, by their number of failures, or by the failure policy. */
export function failedIndexes(job: Job, failed: readonly Pod[]): ReadonlySet<number> {
  const { backoffLimitPerIndex: limit, completions = 1 } = job.spec
  const indexes = parseIndexes(job.status?.failedIndexes, completions)
  if (limit === undefined) return indexes
  for (const pod of failed) {
    const index = indexOf(pod)
    if (index === undefined || index >= completions) continue
    const { action } = judge(job, pod)
    if (action === 'FailIndex' || (action !== 'Ignore' && failuresAfter(job, pod) > limit)) indexes.add(index)
  }
  return indexes
}

/** How often the index had failed once this pod had: what its replacement is to know. */
function failuresAfter(job: Job, pod: Pod): number {
  const before = Number(pod.metadata.annotations?.[failureCountKey] ?? 0) || 0
  return judge(job, pod).action === 'Ignore' ? before : before + 1
}

export interface IndexHistory {
  readonly failures: number
  /** Milliseconds until the index may be tried again. */
  readonly waitMs: number
}

/** What the failed pods tell of an index. */
export function indexHistory(job: Job, failed: readonly Pod[], index: number, now: number): IndexHistory {
  const own = failed.filter(pod => indexOf(pod) === index)
  const failures = Math.max(0, ...own.map(pod => failuresAfter(job, pod)))
  if (failures === 0) return { failures, waitMs: 0 }
  const last = Math.max(...own.map(pod => finishedAt(pod, now)))
  return { failures, waitMs: Math.max(0, last + retryDelayMs(failures) - now) }
}
