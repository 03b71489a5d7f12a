/** Making and removing a CronJob's Jobs, with upstream's events. */
import { ignoreNotFound, isAlreadyExists, isNotFound } from '../../../../bootstrap/api/errors.ts'
import { controllerOf } from '../../../../bootstrap/api/object.ts'
import type { Client, Name } from '../../../../bootstrap/client/client.ts'
import { type CronJob, type Job, jobs } from '../../../../bootstrap/client/resources.ts'
import { isNamespaceTerminating } from '../../../runtime/failures.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import { isTerminating } from '../../../runtime/pods.ts'
import type { Books } from './books.ts'
import { jobFor, surplus } from './jobs.ts'

/** The Job as the server has it, which a cache may not show yet. */
export async function findJob(client: Client, name: Name): Promise<Job | undefined> {
  return await client.get(jobs, name).catch(ignoreNotFound)
}

/** Deletes ended Jobs beyond the limits of the history. */
export async function trimHistory(
  cronJob: CronJob,
  owned: readonly Job[],
  books: Books,
  cluster: Cluster,
): Promise<void> {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec
  const kept = owned.filter(job => !isTerminating(job))
  const old = [
    ...surplus(kept, 'Complete', successfulJobsHistoryLimit),
    ...surplus(kept, 'Failed', failedJobsHistoryLimit),
  ]
  for (const job of old) await removeJob(cronJob, job, books, cluster)
}

/** Makes room for the next Job. Rejects when one that runs cannot be deleted. */
export async function removeActive(cronJob: CronJob, books: Books, cluster: Cluster): Promise<void> {
  for (const { name = '', namespace, uid } of books.active) {
    const job = await findJob(cluster.client, { name, namespace })
    if (!job) books.drop(uid)
    else if (!(await removeJob(cronJob, job, books, cluster)))
      throw new Error(`could not replace job ${namespace}/${name}`)
  }
}

/** Deletes the Job with its pods; whether it is gone or going. One that was gone before is no news. */
async function removeJob(cronJob: CronJob, job: Job, books: Books, { client, events }: Cluster): Promise<boolean> {
  const { name = '', namespace, uid } = job.metadata
  const preconditions = uid === undefined ? {} : { preconditions: { uid } }
  try {
    await client.delete(jobs, { name, namespace }, { propagationPolicy: 'Background', ...preconditions })
    events.event(cronJob, 'Normal', 'SuccessfulDelete', `Deleted job ${name}`)
  } catch (error) {
    if (!isNotFound(error)) {
      events.event(cronJob, 'Warning', 'FailedDelete', `Deleted job: ${(error as Error).message}`)
      return false
    }
  }
  books.drop(uid)
  return true
}

/** Makes the Job of a scheduled time (milliseconds since the epoch), or finds it made before. */
export async function startJob(cronJob: CronJob, scheduled: number, books: Books, cluster: Cluster): Promise<void> {
  const { client, events } = cluster
  const wanted = jobFor(cronJob, scheduled)
  try {
    const made = await client.create(jobs, wanted)
    events.event(cronJob, 'Normal', 'SuccessfulCreate', `Created job ${made.metadata.name}`)
    books.started(made, scheduled)
  } catch (error) {
    if (isNamespaceTerminating(error)) return
    if (!isAlreadyExists(error)) {
      events.event(cronJob, 'Warning', 'FailedCreate', `Error creating job: ${(error as Error).message}`)
      throw error
    }
    const { name = '', namespace } = wanted.metadata
    const existing = await client.get(jobs, { name, namespace })
    const ours = controllerOf(existing)?.uid === cronJob.metadata.uid
    if (ours && !books.lists(existing)) books.started(existing, scheduled)
  }
}
