/** Making, starting, stopping and replacing the Jobs of HelmCharts, with K3s' events. */
import { keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import { type Job, jobs } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf } from '../runtime/apply.ts'
import { type Cluster, done, type Result } from '../runtime/operator.ts'
import { OwnWrites } from '../runtime/own-writes.ts'
import { type Desired, expecting, hashOfJob } from './desired.ts'
import { type Action, type HelmChart, jobName } from './helm-chart.ts'
import { applyHelpers } from './helpers.ts'
import type { JobState } from './job-state.ts'

/** Of a Job that was stopped to be replaced: it is not started again, even when the old configuration is back. */
const replacingKey = 'helmcharts.helm.cattle.io/replacing'

/** Whether the Job is there to do just this. */
export function isMadeFor(job: Job, desired: Desired): boolean {
  return hashOfJob(job) === hashOfJob(desired.job) && !isBeingReplaced(job)
}

const isBeingReplaced = (job: Job): boolean => job.metadata.annotations?.[replacingKey] !== undefined

export function jobOfChart(chart: HelmChart, action: Action, { informers }: Cluster): Job | undefined {
  return informers.get(jobs).get(`${chart.metadata.namespace}/${jobName(chart, action)}`)
}

export class ChartJobs {
  readonly #writes = new OwnWrites()

  /** Whether the cache shows everything written here for the chart. */
  areShown(key: ObjectKey, { informers }: Cluster): boolean {
    return this.#writes.seen(key, informers.get(jobs))
  }

  forget(key: ObjectKey): void {
    this.#writes.forget(key)
  }

  /** The Job does what it should: it is started once the Job controller knows it, and left alone from then on. */
  async letRun(chart: HelmChart, job: Job, state: JobState, cluster: Cluster): Promise<Result> {
    if (state.kind !== 'ready') return done
    await this.#patch(chart, job, { spec: { suspend: false } }, cluster)
    cluster.events.event(chart, 'Normal', 'ResumeJob', `Resumed synced Job ${keyOf(job)}`)
    return done
  }

  /** Ends the Job's pods; what follows waits for the Job controller to say that they are gone. */
  async stop(chart: HelmChart, job: Job, cluster: Cluster): Promise<Result> {
    if (isBeingReplaced(job)) return done
    const metadata = { annotations: { [replacingKey]: 'true' } }
    await this.#patch(chart, job, { metadata, spec: { suspend: true } }, cluster)
    if (job.spec.suspend !== true)
      cluster.events.event(chart, 'Normal', 'SuspendJob', `Suspended Job ${keyOf(job)} for delete`)
    return done
  }

  /** Makes the Job and what it needs, in place of an old one that has no pods. */
  async replace(
    chart: HelmChart,
    old: Job | undefined,
    desired: Desired,
    revision: number,
    cluster: Cluster,
  ): Promise<void> {
    await applyHelpers(desired, cluster.client)
    if (old) await this.delete(chart, old, cluster)
    this.#writes.wrote(keyOf(chart), await cluster.client.create(jobs, expecting(desired, revision)))
  }

  async delete(chart: HelmChart, job: Job, { client }: Cluster): Promise<void> {
    await deleteIfPresent(client, jobs, job, { propagationPolicy: 'Background' })
    this.#writes.deleted(keyOf(chart), job)
  }

  async deleteAll(chart: HelmChart, cluster: Cluster): Promise<void> {
    for (const action of ['install', 'delete'] as const) {
      const job = jobOfChart(chart, action, cluster)
      if (job) await this.delete(chart, job, cluster)
    }
  }

  /** A merge patch that spares a later Job of the same name. */
  async #patch(
    chart: HelmChart,
    job: Job,
    patch: { readonly metadata?: object; readonly spec: object },
    { client }: Cluster,
  ): Promise<void> {
    const metadata = { ...patch.metadata, uid: job.metadata.uid }
    const patched = await client.patch(jobs, nameOf(job), { ...patch, metadata }, { type: 'merge' })
    this.#writes.wrote(keyOf(chart), patched)
  }
}
