/** Makes Jobs on schedule (upstream pkg/controller/cronjob). */

import { type CronSchedule, parseCron } from '../../../../bootstrap/api/cron/schedule.ts'
import { isNotFound } from '../../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { systemZone, type TimeZone, timeZone } from '../../../../bootstrap/api/time-zone.ts'
import { type CronJob, cronJobs, type Job, jobs } from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { OwnWrites } from '../../../runtime/own-writes.ts'
import { indexOwners, isTerminating, ownedBy } from '../../../runtime/pods.ts'
import { ownerKey } from '../pod-events.ts'
import { Books } from './books.ts'
import { countsFrom, dueTime, nextInMs } from './due.ts'
import { findJob, removeActive, startJob, trimHistory } from './job-control.ts'
import { jobName, outcomeOf } from './jobs.ts'

/** `localZone` is the time zone of schedules that name none. */
export function cronJobController(localZone: TimeZone = systemZone): Operator {
  const controller = new CronJobController(localZone)
  return {
    name: 'cronjob-controller',
    watches: [
      on(cronJobs, cronJob => keyOf(cronJob)),
      on(jobs, (job, old) =>
        [job, old].map(state => state && ownerKey(cronJobs, state)).filter(key => key !== undefined),
      ),
    ],
    concurrency: 5,
    setup({ informers }) {
      indexOwners(informers.get(jobs))
    },
    reconcile: (key, cluster) => controller.reconcile(key, cluster),
  }
}

interface Plan {
  readonly text: string
  readonly schedule: CronSchedule
  /** Times up to this one are not made up for: the schedule was another then. */
  readonly since: number
}

class CronJobController {
  readonly #localZone: TimeZone
  readonly #writes = new OwnWrites()
  readonly #plans = new Map<ObjectKey, Plan>()

  constructor(localZone: TimeZone) {
    this.#localZone = localZone
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const { informers } = cluster
    const cronJob = informers.get(cronJobs).get(key)
    if (!cronJob) {
      this.#writes.forget(key)
      this.#plans.delete(key)
      return done
    }
    if (!this.#writes.seen(key, informers.get(cronJobs))) return done
    const owned = ownedBy(informers.get(jobs), cronJob.metadata.uid)
    const books = new Books(cronJob.status ?? {})
    const { result, failure } = await this.#run(key, cronJob, owned, books, cluster)
    await this.#write(key, cronJob, books, cluster)
    if (failure !== undefined) throw failure
    return result
  }

  /** What is learnt before a failure is still written down. */
  async #run(key: ObjectKey, cronJob: CronJob, owned: readonly Job[], books: Books, cluster: Cluster) {
    try {
      await trimHistory(cronJob, owned, books, cluster)
      await takeStock(cronJob, owned, books, cluster)
      if (isTerminating(cronJob)) return { result: done }
      return { result: await this.#advance(key, cronJob, books, cluster) }
    } catch (failure) {
      return { result: done, failure }
    }
  }

  async #advance(key: ObjectKey, cronJob: CronJob, books: Books, cluster: Cluster): Promise<Result> {
    const { clock, events } = cluster
    const now = clock.now()
    const zone = zoneOf(cronJob, this.#localZone, cluster)
    if (!zone || cronJob.spec.suspend) return done
    const plan = this.#planOf(key, cronJob, zone, cluster)
    if (!plan) return done
    const { start, inTime } = countsFrom(cronJob, plan.since, now)
    const due = dueTime(plan.schedule, inTime, now)
    const anyTime = dueTime(plan.schedule, start, now)
    if (due.problem !== undefined) {
      const text = `invalid schedule: ${cronJob.spec.schedule} : ${due.problem}`
      events.event(cronJob, 'Warning', 'InvalidSchedule', text)
      return done
    }
    if (due.tooManyMissed && due.at !== undefined) warnOfMissed(cronJob, cluster)
    if (due.at === undefined && anyTime.at !== undefined) tellMissed(cronJob, anyTime.at, cluster)
    if (due.at !== undefined && (await this.#mayStart(cronJob, due.at, books, cluster)))
      await startJob(cronJob, due.at, books, cluster)
    const wait = nextInMs(plan.schedule, anyTime, start, now)
    return wait === undefined ? done : { requeueAfterMs: wait }
  }

  /** The schedule read; undefined, with an event, when it cannot be. */
  #planOf(key: ObjectKey, cronJob: CronJob, zone: TimeZone, { clock, events }: Cluster): Plan | undefined {
    const { schedule: given } = cronJob.spec
    const text = `${zone.name} ${given}`
    const known = this.#plans.get(key)
    if (known?.text === text) return known
    try {
      const plan = { text, schedule: parseCron(given, zone), since: known ? clock.now() : 0 }
      this.#plans.set(key, plan)
      if (given.includes('TZ')) warnOfZone(cronJob, events)
      return plan
    } catch (error) {
      const message = `unparseable schedule: ${JSON.stringify(given)} : ${(error as Error).message}`
      events.event(cronJob, 'Warning', 'UnparseableSchedule', message)
      return undefined
    }
  }

  async #mayStart(cronJob: CronJob, scheduled: number, books: Books, cluster: Cluster): Promise<boolean> {
    const { concurrencyPolicy } = cronJob.spec
    if (books.active.some(({ name }) => name === jobName(cronJob, scheduled))) return false
    if (concurrencyPolicy === 'Forbid' && books.active.length > 0) {
      const text = 'Not starting job because prior execution is running and concurrency policy is Forbid'
      cluster.events.event(cronJob, 'Normal', 'JobAlreadyActive', text)
      return false
    }
    if (concurrencyPolicy === 'Replace') await removeActive(cronJob, books, cluster)
    return true
  }

  async #write(key: ObjectKey, cronJob: CronJob, books: Books, { client }: Cluster): Promise<void> {
    const status = books.status()
    if (sameJson(cronJob.status ?? {}, status)) return
    try {
      this.#writes.wrote(key, await client.update(cronJobs, { ...cronJob, status }, { subresource: 'status' }))
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }
}

function zoneOf(cronJob: CronJob, localZone: TimeZone, { events }: Cluster): TimeZone | undefined {
  const { timeZone: name } = cronJob.spec
  if (name === undefined) return localZone
  const zone = timeZone(name)
  if (!zone) {
    const text = `invalid timeZone: ${JSON.stringify(name)}: unknown time zone ${name}`
    events.event(cronJob, 'Warning', 'UnknownTimeZone', text)
  }
  return zone
}

/** From before the API server refused such schedules. */
function warnOfZone(cronJob: CronJob, events: Cluster['events']): void {
  const schedule = JSON.stringify(cronJob.spec.schedule)
  const page = 'https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/'
  const text = `CRON_TZ or TZ used in schedule ${schedule} is not officially supported, see ${page} for more details`
  events.event(cronJob, 'Warning', 'UnsupportedSchedule', text)
}

function warnOfMissed(cronJob: CronJob, { events }: Cluster): void {
  const text = 'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew'
  events.event(cronJob, 'Warning', 'TooManyMissedTimes', text)
}

function tellMissed(cronJob: CronJob, scheduled: number, { events }: Cluster): void {
  const time = new Date(scheduled).toUTCString().replace('GMT', '+0000')
  events.event(cronJob, 'Warning', 'MissSchedule', `Missed scheduled time to start a job: ${time}`)
}

/** Compares what the status lists with the Jobs there are. */
async function takeStock(cronJob: CronJob, owned: readonly Job[], books: Books, cluster: Cluster): Promise<void> {
  const { client, events } = cluster
  for (const job of owned) {
    const { name } = job.metadata
    const outcome = outcomeOf(job)
    if (!outcome && !books.lists(job)) {
      const text = `Saw a job that the controller did not create or forgot: ${name}`
      events.event(cronJob, 'Warning', 'UnexpectedJob', text)
    } else if (outcome && books.lists(job)) {
      books.drop(job.metadata.uid)
      events.event(cronJob, 'Normal', 'SawCompletedJob', `Saw completed job: ${name}, condition: ${outcome}`)
    }
    books.succeeded(job)
  }
  const present = new Set(owned.map(({ metadata }) => metadata.uid))
  for (const { name = '', namespace, uid } of books.active) {
    if (present.has(uid) || (await findJob(client, { name, namespace }))) continue
    books.drop(uid)
    events.event(cronJob, 'Normal', 'MissingJob', `Active job went missing: ${name}`)
  }
}
