/** Runs Jobs to completion (upstream pkg/controller/job). */

import { isNotFound } from '../../../../bootstrap/api/errors.ts'
import { controllerOf, keyOf, type ObjectKey, splitKey } from '../../../../bootstrap/api/object.ts'
import type { JobStatus } from '../../../../bootstrap/api/types.gen.ts'
import { type Job, jobs, type Pod, pods } from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { findCondition } from '../../../runtime/conditions.ts'
import { Expectations } from '../../../runtime/expectations.ts'
import { isNamespaceTerminating } from '../../../runtime/failures.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { OwnWrites } from '../../../runtime/own-writes.ts'
import { isActive, isReady, isTerminal, isTerminating, orphansIn, ownedBy, podsOf } from '../../../runtime/pods.ts'
import { timestamp } from '../../../runtime/time.ts'
import { claim } from '../claims.ts'
import { inDeletionOrder } from '../deletion-order.ts'
import { createPod, deletePod, slowStart } from '../pod-control.ts'
import { onOwnPods } from '../pod-events.ts'
import { nonZero } from '../replica-status.ts'
import {
  type Account,
  account,
  countedStatus,
  holdsFinalizer,
  isFailed,
  notedStatus,
  release,
  trackingFinalizer,
  uid,
} from './accounting.ts'
import { JobBackoff } from './backoff.ts'
import { countsPerIndex, indexHistory } from './index-failures.ts'
import { indexOf } from './indexes.ts'
import { jobPod, wanted } from './job-pods.ts'
import { deadlineInMs, isFinished, type Verdict, verdictConditions, verdictOf, withJobCondition } from './verdict.ts'

const managedByUs = 'kubernetes.io/job-controller'
const burst = 500

export function jobController(): Operator {
  const controller = new JobController()
  return {
    name: 'job-controller',
    watches: [on(jobs, job => keyOf(job)), onOwnPods(jobs, job => job.spec.selector, controller.expectations)],
    concurrency: 5,
    setup({ informers }) {
      podsOf(informers)
    },
    reconcile: (key, cluster) => controller.reconcile(key, cluster),
  }
}

class JobController {
  readonly expectations = new Expectations()
  readonly #writes = new OwnWrites()
  readonly #backoff = new JobBackoff()
  /** Pods whose finalizer this controller took off, until the cache shows it. */
  readonly #released = new Set<string>()

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const job = cluster.informers.get(jobs).get(key)
    if (!job) {
      this.#forget(key)
      await this.#releaseOrphans(key, cluster)
      return done
    }
    if ((job.spec.managedBy ?? managedByUs) !== managedByUs || !this.#writes.seen(key, cluster.informers.get(jobs)))
      return done
    const owned = await claimedPods(job, cluster)
    if (isFinished(job)) {
      await this.#release(owned.filter(holdsFinalizer), cluster)
      this.#forget(key)
      return done
    }
    return this.#advance(key, job, owned, cluster)
  }

  async #advance(key: ObjectKey, job: Job, owned: readonly Pod[], cluster: Cluster): Promise<Result> {
    const now = cluster.clock.now()
    const started = start(job, cluster)
    const books = account(started, owned, this.#released)
    this.#backoff.record(key, books.newSucceeded, books.newFailed, now)
    const active = owned.filter(isActive)
    const verdict = verdictOf(started, owned, books, active.length, now)
    const current = this.expectations.satisfied(key, now)
    let failure: unknown
    let made = 0
    if (current && (verdict || started.spec.suspend)) {
      failure = await this.#remove(key, started, active, cluster)
      made = failure === undefined ? -active.length : 0
    } else if (current && !isTerminating(job)) {
      const outcome = await this.#manage(key, started, owned, books, cluster)
      failure = outcome.failure
      made = outcome.made
    }
    await this.#report(key, job, started, owned, books, verdict, active.length + made, cluster)
    if (failure !== undefined) throw failure
    return nextLook(started, verdict, this.#nextTryMs(key, started, owned, books, now), now)
  }

  /** Milliseconds until the Job as a whole may make pods again; indexes with a limit of their own wait by themselves. */
  #waitMs(key: ObjectKey, job: Job, now: number): number {
    return countsPerIndex(job) ? 0 : this.#backoff.remainingMs(key, now)
  }

  #nextTryMs(key: ObjectKey, job: Job, owned: readonly Pod[], books: Account, now: number): number {
    if (!countsPerIndex(job)) return this.#backoff.remainingMs(key, now)
    const failed = owned.filter(pod => isFailed(job, pod))
    const open = new Set(failed.map(indexOf).filter(index => index !== undefined))
    const waits = [...open]
      .filter(index => !books.failedIndexes.has(index) && !books.completedIndexes.has(index))
      .map(index => indexHistory(job, failed, index, now).waitMs)
    const waiting = waits.filter(wait => wait > 0)
    return waiting.length > 0 ? Math.min(...waiting) : 0
  }

  async #manage(
    key: ObjectKey,
    job: Job,
    owned: readonly Pod[],
    books: Account,
    cluster: Cluster,
  ): Promise<{ made: number; failure?: unknown }> {
    const now = cluster.clock.now()
    const want = wanted(job, owned, books, terminatingCount(owned))
    if (want.remove > 0) {
      const active = owned.filter(isActive)
      const doomed = inDeletionOrder(active, active, now).slice(0, want.remove)
      return { made: -doomed.length, failure: await this.#remove(key, job, doomed, cluster) }
    }
    if (want.create.length === 0 || this.#waitMs(key, job, now) > 0) return { made: 0 }
    const failed = owned.filter(pod => isFailed(job, pod))
    const history = (index: number) => indexHistory(job, failed, index, now)
    const indexes = want.create
      .filter(index => index === undefined || !countsPerIndex(job) || history(index).waitMs === 0)
      .slice(0, burst)
    this.expectations.expectCreations(key, indexes.length, now)
    const { succeeded, error } = await slowStart(indexes.length, async position => {
      try {
        const index = indexes[position]
        await createPod(cluster, jobPod(job, index, index === undefined ? 0 : history(index).failures), job)
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure
        this.expectations.creationSeen(key)
      }
    })
    for (let lost = succeeded; lost < indexes.length; lost++) this.expectations.creationSeen(key)
    return { made: succeeded, failure: error }
  }

  async #remove(key: ObjectKey, job: Job, doomed: readonly Pod[], cluster: Cluster): Promise<unknown> {
    this.expectations.expectDeletions(key, doomed.map(uid), cluster.clock.now())
    const results = await Promise.allSettled(doomed.map(pod => deletePod(cluster, pod, job)))
    let failure: unknown
    results.forEach((result, index) => {
      if (result.status === 'fulfilled') return
      this.expectations.deletionSeen(key, doomed[index]?.metadata.uid ?? '')
      if (!isNotFound(result.reason)) failure ??= result.reason
    })
    return failure
  }

  /** Notes, releases and counts finished pods, and writes what is to be known of the Job. */
  async #report(
    key: ObjectKey,
    job: Job,
    started: Job,
    owned: readonly Pod[],
    books: Account,
    verdict: Verdict | undefined,
    active: number,
    cluster: Cluster,
  ): Promise<void> {
    const now = cluster.clock.now()
    const terminating = terminatingCount(owned)
    const counts: JobStatus = {
      ...notedStatus(started, books),
      active: nonZero(active),
      ready: verdict ? 0 : owned.filter(pod => isActive(pod) && isReady(pod)).length,
      terminating: terminating + Math.max(0, owned.filter(isActive).length - active),
      ...(verdict ? { conditions: verdictConditions(started, verdict, false, now) } : {}),
    }
    const finished = [...books.newSucceeded, ...books.newFailed]
    const latest = finished.length > 0 ? await this.#write(key, job, counts, cluster) : job
    if (!latest) return
    const noted = owned.filter(pod => books.noted.succeeded.has(uid(pod)) || books.noted.failed.has(uid(pod)))
    await this.#release([...finished, ...books.ignored, ...noted.filter(holdsFinalizer)], cluster)
    const present = new Map(owned.map(pod => [uid(pod), pod]))
    const isGone = (id: string) => {
      const pod = present.get(id)
      return !pod || !holdsFinalizer(pod) || this.#released.has(id)
    }
    const counted = countedStatus(started, counts, isGone)
    const settled = active === 0 && unsettled(owned) === 0 && !hasUncounted(counted)
    const status = verdict && settled ? concluded(started, counted, verdict, now) : counted
    const written = await this.#write(key, latest, status, cluster)
    if (written && verdict && settled) announce(written, verdict, cluster)
  }

  /** Writes the status where it differs; undefined when the Job is gone. */
  async #write(key: ObjectKey, job: Job, status: JobStatus, { client }: Cluster): Promise<Job | undefined> {
    if (sameJson(job.status, status)) return job
    try {
      const written = await client.update(jobs, { ...job, status }, { subresource: 'status' })
      this.#writes.wrote(key, written)
      return written
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async #release(list: readonly Pod[], cluster: Cluster): Promise<void> {
    const held = list.filter(pod => !this.#released.has(uid(pod)))
    await release(held, cluster, id => this.#released.add(id))
    for (const oldest of this.#released) {
      if (this.#released.size <= 10_000) break
      this.#released.delete(oldest)
    }
  }

  /** Pods of a Job that is gone must not be held back. */
  async #releaseOrphans(key: ObjectKey, cluster: Cluster): Promise<void> {
    const { namespace, name } = splitKey(key)
    const held = podsOf(cluster.informers)
      .list(namespace)
      .filter(pod => holdsFinalizer(pod) && controllerOf(pod)?.kind === 'Job' && controllerOf(pod)?.name === name)
    await release(held, cluster, () => {})
  }

  #forget(key: ObjectKey): void {
    this.expectations.forget(key)
    this.#writes.forget(key)
    this.#backoff.forget(key)
  }
}

/** The Job with its start time and its Suspended condition as they should be. */
function start(job: Job, { clock, events }: Cluster): Job {
  const now = clock.now()
  const { suspend = false } = job.spec
  const { startTime, conditions, ...status } = job.status ?? {}
  const suspended = findCondition(conditions, 'Suspended')?.status === 'True'
  if (suspend && !suspended) {
    events.event(job, 'Normal', 'Suspended', 'Job suspended')
    const next = withJobCondition(conditions, 'Suspended', 'True', 'JobSuspended', 'Job suspended', now)
    return { ...job, status: { ...status, conditions: next } }
  }
  if (suspend) return startTime === undefined ? job : { ...job, status: { ...status, conditions } }
  if (!suspended)
    return startTime === undefined ? { ...job, status: { ...job.status, startTime: timestamp(now) } } : job
  events.event(job, 'Normal', 'Resumed', 'Job resumed')
  const next = withJobCondition(conditions, 'Suspended', 'False', 'JobResumed', 'Job resumed', now)
  return { ...job, status: { ...status, conditions: next, startTime: timestamp(now) } }
}

function concluded(job: Job, status: JobStatus, verdict: Verdict, now: number): JobStatus {
  const conditions = verdictConditions({ ...job, status }, verdict, true, now)
  return {
    ...status,
    conditions,
    ...(verdict.type === 'SuccessCriteriaMet' ? { completionTime: timestamp(now) } : {}),
  }
}

function announce(job: Job, { type, reason, message }: Verdict, { events }: Cluster): void {
  if (type === 'SuccessCriteriaMet') events.event(job, 'Normal', 'Completed', 'Job completed')
  else events.event(job, 'Warning', reason, message)
}

const terminatingCount = (owned: readonly Pod[]) => owned.filter(pod => isTerminating(pod) && !isTerminal(pod)).length

/** Pods that still run, though they may be ending. */
const unsettled = (owned: readonly Pod[]) => owned.filter(pod => !isTerminal(pod)).length

function hasUncounted({ uncountedTerminatedPods }: JobStatus): boolean {
  return Object.values(uncountedTerminatedPods ?? {}).some(list => (list ?? []).length > 0)
}

function nextLook(job: Job, verdict: Verdict | undefined, backoffMs: number, now: number): Result {
  const waits = [backoffMs, deadlineInMs(job, now) ?? 0].filter(wait => wait > 0)
  return verdict || waits.length === 0 ? done : { requeueAfterMs: Math.min(...waits) }
}

function claimedPods(owner: Job, { client, informers }: Cluster): Promise<readonly Pod[]> {
  const all = podsOf(informers)
  const { uid: owning, namespace = '' } = owner.metadata
  const { selector } = owner.spec
  if (!selector) return Promise.resolve(ownedBy(all, owning))
  return claim({
    client,
    owner,
    ownerResource: jobs,
    selector,
    resource: pods,
    candidates: [...ownedBy(all, owning), ...(isFinished(owner) ? [] : orphansIn(all, namespace))],
    finalizers: [trackingFinalizer],
  })
}
