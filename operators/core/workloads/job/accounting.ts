/**
 * Counting finished pods exactly once (upstream job_controller.go, trackJobStatusAndRemoveFinalizers): a finished pod's
 * uid is noted in the status, then its finalizer goes, then it is counted. A crash in between loses and doubles nothing.
 */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import type { JobStatus } from '../../../../bootstrap/api/types.gen.ts'
import { type Job, type Pod, pods } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import { isTerminating } from '../../../runtime/pods.ts'
import { nonZero } from '../replica-status.ts'
import { judge } from './failure-policy.ts'
import { countsPerIndex, failedIndexes } from './index-failures.ts'
import { indexesText, indexOf, parseIndexes } from './indexes.ts'

export const trackingFinalizer = 'batch.kubernetes.io/job-tracking'

export interface Account {
  /** Finished, and not yet in the status. */
  readonly newSucceeded: readonly Pod[]
  readonly newFailed: readonly Pod[]
  /** Finished and to be let go without counting. */
  readonly ignored: readonly Pod[]
  /** Noted in the status, counted or not. */
  readonly noted: { readonly succeeded: ReadonlySet<string>; readonly failed: ReadonlySet<string> }
  /** Totals, including what is only noted. */
  readonly succeeded: number
  readonly failed: number
  readonly completedIndexes: ReadonlySet<number>
  /** Given up, where failures are limited by index. */
  readonly failedIndexes: ReadonlySet<number>
}

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed'
export const completionsOf = (job: Job): number => job.spec.completions ?? 1

/** Whether only pods in phase Failed count as failed, not those that are still ending. */
export const replacesFailedOnly = (job: Job): boolean =>
  job.spec.podReplacementPolicy === 'Failed' || job.spec.podFailurePolicy !== undefined

export function isFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true
  return !replacesFailedOnly(job) && isTerminating(pod) && pod.status?.phase !== 'Succeeded'
}

/** Looks at the job's pods; `released` are those whose finalizer is known to be gone, whatever the cache shows. */
export function account(job: Job, owned: readonly Pod[], released: ReadonlySet<string>): Account {
  const { uncountedTerminatedPods: uncounted, succeeded = 0, failed = 0, completedIndexes } = job.status ?? {}
  const noted = { succeeded: new Set(uncounted?.succeeded ?? []), failed: new Set(uncounted?.failed ?? []) }
  const tracked = owned.filter(pod => holdsFinalizer(pod) && !released.has(uid(pod)))
  const fresh = tracked.filter(pod => !noted.succeeded.has(uid(pod)) && !noted.failed.has(uid(pod)))
  const newSucceeded = fresh.filter(pod => pod.status?.phase === 'Succeeded')
  const broken = fresh.filter(pod => isFailed(job, pod))
  const ignored = broken.filter(pod => judge(job, pod).action === 'Ignore')
  const newFailed = broken.filter(pod => !ignored.includes(pod))
  const indexes = parseIndexes(completedIndexes, completionsOf(job))
  if (isIndexed(job)) for (const pod of newSucceeded) addIndex(indexes, pod, job)
  return {
    newSucceeded,
    newFailed,
    ignored,
    noted,
    succeeded: isIndexed(job) ? indexes.size : succeeded + noted.succeeded.size + newSucceeded.length,
    failed: failed + noted.failed.size + newFailed.length,
    completedIndexes: indexes,
    failedIndexes: failedIndexes(
      job,
      owned.filter(pod => isFailed(job, pod)),
    ),
  }
}

function addIndex(indexes: Set<number>, pod: Pod, job: Job): void {
  const index = indexOf(pod)
  if (index !== undefined && index < completionsOf(job)) indexes.add(index)
}

/** The status with new uids noted, to be written before any finalizer goes. */
export function notedStatus(
  job: Job,
  { newSucceeded, newFailed, noted, completedIndexes, ...books }: Account,
): JobStatus {
  const indexed = isIndexed(job)
  const succeeded = indexed ? [] : [...noted.succeeded, ...newSucceeded.map(uid)]
  return {
    ...job.status,
    ...(indexed ? { completedIndexes: indexesText(completedIndexes), succeeded: nonZero(completedIndexes.size) } : {}),
    ...(countsPerIndex(job) ? { failedIndexes: indexesText(books.failedIndexes) } : {}),
    uncountedTerminatedPods: uids(succeeded, [...noted.failed, ...newFailed.map(uid)]),
  }
}

/** The status with every uid in `gone` counted. */
export function countedStatus(job: Job, status: JobStatus, gone: (uid: string) => boolean): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const countedSucceeded = isIndexed(job) ? 0 : succeeded.filter(gone).length
  return {
    ...status,
    succeeded: nonZero((status.succeeded ?? 0) + countedSucceeded),
    failed: nonZero((status.failed ?? 0) + failed.filter(gone).length),
    uncountedTerminatedPods: uids(
      succeeded.filter(id => !gone(id)),
      failed.filter(id => !gone(id)),
    ),
  }
}

function uids(succeeded: readonly string[], failed: readonly string[]) {
  return {
    ...(succeeded.length > 0 ? { succeeded } : {}),
    ...(failed.length > 0 ? { failed } : {}),
  }
}

export const uid = (pod: Pod): string => pod.metadata.uid ?? ''
export const holdsFinalizer = (pod: Pod): boolean => (pod.metadata.finalizers ?? []).includes(trackingFinalizer)

/** Takes the finalizer off the pods. Calls `released` for each that is without it, then rejects if any is not. */
export async function release(
  list: readonly Pod[],
  { client }: Cluster,
  released: (uid: string) => void,
): Promise<void> {
  const results = await Promise.allSettled(
    list.map(async pod => {
      const metadata = { uid: uid(pod), '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] }
      await client.patch(pods, nameOf(pod), { metadata }, { type: 'strategic' }).catch(ignoreNotFound)
      released(uid(pod))
    }),
  )
  const failed = results.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}
