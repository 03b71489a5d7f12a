/**
 * K3s' Helm controller (k3s-io/helm-controller): every HelmChart gets a Job that installs or upgrades its release, a new one
 * whenever the chart, its HelmChartConfig or a Secret they name changes, and one that uninstalls it at the end.
 */
import { ignoreNotFound, isAlreadyExists, isNotFound } from '../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import { type Job, jobs, runtimeClasses, secrets } from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { updateStatus } from '../runtime/apply.ts'
import { isNamespaceTerminating, isTransient } from '../runtime/failures.ts'
import { type Cluster, done, type Operator, on, type Result } from '../runtime/operator.ts'
import { OwnWrites } from '../runtime/own-writes.ts'
import { ChartJobs, isMadeFor, jobOfChart } from './chart-jobs.ts'
import { type Desired, desiredFor } from './desired.ts'
import {
  annotation,
  controllerName,
  finalizer,
  type HelmChart,
  type HelmChartStatus,
  helmChartConfigs,
  helmCharts,
  isTerminating,
  jobName,
  sourceText,
  specOf,
  watchedSecrets,
} from './helm-chart.ts'
import { removeHelpers } from './helpers.ts'
import { isReplaceable, jobState } from './job-state.ts'
import { embeddedClass, type JobSettings, klipperImage } from './job-template.ts'
import { latestRelease } from './latest-release.ts'
import { applying, createFailed, jobFailed, unsupportedVersion } from './status.ts'

/** A Job that ended well and left another release than asked for is not made again sooner than this. */
const rerunDelayMs = 10_000
const bySecret = 'helmchart/secret'

/** `settings.image` left out: Jobs run the embedded module where the cluster has such pods, klipper-helm elsewhere. */
export function helmChartOperator(settings: JobSettings): Operator {
  const controller = new HelmController(settings)
  return {
    name: controllerName,
    watches: [
      on(helmCharts, chart => keyOf(chart)),
      on(helmChartConfigs, config => keyOf(config)),
      on(jobs, job => chartKeyOfJob(job)),
      on(secrets, (secret, old, change, { informers }) =>
        change === 'updated' && sameJson(secret.data, old?.data)
          ? undefined
          : [helmCharts, helmChartConfigs].flatMap(resource =>
              informers.get(resource).byIndex(bySecret, keyOf(secret)).map(keyOf),
            ),
      ),
    ],
    setup({ informers }) {
      for (const resource of [helmCharts, helmChartConfigs])
        informers
          .get(resource)
          .addIndex(bySecret, object => watchedSecrets(object).map(name => `${object.metadata.namespace}/${name}`))
    },
    reconcile: (key, cluster) => controller.reconcile(key, cluster),
  }
}

/** By name, so that a Job of that name which is not ours is noticed, too. */
function chartKeyOfJob(job: Job): ObjectKey | undefined {
  const name = /^helm-(?:install|delete)-(.+)$/.exec(job.metadata.name ?? '')?.[1]
  return name === undefined ? undefined : `${job.metadata.namespace}/${name}`
}

class HelmController {
  #settings: JobSettings
  /** Whether it is settled what Jobs run. */
  #knowsImage = false
  readonly #jobs = new ChartJobs()
  readonly #charts = new OwnWrites()

  constructor(settings: JobSettings) {
    this.#settings = settings
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const { informers } = cluster
    const chart = informers.get(helmCharts).get(key)
    if (!chart) {
      this.#jobs.forget(key)
      this.#charts.forget(key)
      return done
    }
    if (!this.#charts.seen(key, informers.get(helmCharts)) || !this.#jobs.areShown(key, cluster)) return done
    const { annotations = {} } = chart.metadata
    if ((annotations[annotation.managedBy] ?? controllerName) !== controllerName) return done
    await this.#settleImage(cluster)
    if (isTerminating(chart)) return this.#remove(key, chart, cluster)
    if (!isInstallable(chart) || isUnmanaged(chart)) return done
    if (annotations[annotation.managedBy] === undefined) return this.#claim(key, chart, cluster)
    if (!hasFinalizer(chart)) return this.#hold(key, chart, cluster)
    return this.#install(key, chart, cluster)
  }

  /** Another cluster than Skiff's has no embedded pods. */
  async #settleImage({ client }: Cluster): Promise<void> {
    if (this.#knowsImage || this.#settings.image !== undefined) return
    const embedded = await client.get(runtimeClasses, { name: embeddedClass }).catch(ignoreNotFound)
    if (!embedded) this.#settings = { ...this.#settings, image: klipperImage }
    this.#knowsImage = true
  }

  /** Other controllers of HelmCharts then leave it alone. */
  async #claim(key: ObjectKey, chart: HelmChart, cluster: Cluster): Promise<Result> {
    const annotations = { ...chart.metadata.annotations, [annotation.managedBy]: controllerName }
    return this.#update(key, { ...chart, metadata: { ...chart.metadata, annotations } }, cluster)
  }

  async #hold(key: ObjectKey, chart: HelmChart, cluster: Cluster): Promise<Result> {
    const finalizers = [...(chart.metadata.finalizers ?? []), finalizer]
    return this.#update(key, { ...chart, metadata: { ...chart.metadata, finalizers } }, cluster)
  }

  async #update(key: ObjectKey, chart: HelmChart, { client }: Cluster): Promise<Result> {
    this.#charts.wrote(key, await client.update(helmCharts, chart))
    return done
  }

  async #install(key: ObjectKey, chart: HelmChart, cluster: Cluster): Promise<Result> {
    if (!isSupported(chart)) {
      const { helmVersion } = specOf(chart)
      const text = `Unsupported Helm version ${helmVersion}: only v3 charts are supported`
      await this.#report(key, chart, unsupportedVersion(chart), cluster, ['UnsupportedVersion', text])
      return done
    }
    const job = jobOfChart(chart, 'install', cluster)
    const state = jobState(job)
    if (state.kind === 'failed') {
      const text = 'Job has reached configured number of retries without succeeding'
      await this.#report(key, chart, jobFailed(chart, text), cluster, ['JobFailed', text])
    }
    let desired: Desired
    try {
      desired = this.#desired(chart, cluster)
    } catch (error) {
      const text = (error as Error).message
      await this.#report(key, chart, createFailed(chart, text), cluster, ['InvalidSpec', text])
      return done
    }
    const isCurrent = job !== undefined && isMadeFor(job, desired)
    if (isCurrent && state.kind !== 'complete') return this.#jobs.letRun(chart, job, state, cluster)
    const release = await latestRelease(cluster.client, chart)
    if (state.kind === 'complete') {
      if (release.status === 'deployed' && release.hash === desired.configHash) return done
      const wait = isCurrent ? rerunIn(state.at, cluster) : 0
      if (wait > 0) return { requeueAfterMs: wait }
    }
    await this.#report(key, chart, applying(chart), cluster)
    if (job && !isReplaceable(state)) return this.#jobs.stop(chart, job, cluster)
    try {
      await this.#jobs.replace(chart, job, desired, release.revision, cluster)
    } catch (error) {
      if (isNamespaceTerminating(error)) return done
      if (!isTransient(error) && !isAlreadyExists(error))
        await this.#report(key, chart, createFailed(chart, (error as Error).message), cluster)
      throw error
    }
    const { namespace, name } = desired.job.metadata
    const text = `Applying HelmChart from ${sourceText(chart)} using Job ${namespace}/${name}`
    cluster.events.event(chart, 'Normal', 'ApplyJob', text)
    return done
  }

  /** Rules of the end: nothing may install any more, then a Job uninstalls, then everything goes, the chart last. */
  async #remove(key: ObjectKey, chart: HelmChart, cluster: Cluster): Promise<Result> {
    if (!hasFinalizer(chart)) return done
    if (!isInstallable(chart) || isUnmanaged(chart) || !isSupported(chart)) return this.#letGo(chart, cluster)
    const installing = jobOfChart(chart, 'install', cluster)
    const installState = jobState(installing)
    if (installing && installState.kind !== 'new' && !isReplaceable(installState))
      return this.#jobs.stop(chart, installing, cluster)
    if (installing) await this.#jobs.delete(chart, installing, cluster)
    const job = jobOfChart(chart, 'delete', cluster)
    const state = jobState(job)
    const desired = this.#desired(chart, cluster)
    const isCurrent = job !== undefined && isMadeFor(job, desired)
    const ended = state.kind === 'complete' || state.kind === 'failed'
    if (isCurrent && !ended) return this.#jobs.letRun(chart, job, state, cluster)
    const release = await latestRelease(cluster.client, chart)
    if (ended) {
      if (release.revision === 0) return this.#removed(chart, cluster)
      const wait = rerunIn(state.at, cluster)
      if (wait > 0) return { requeueAfterMs: wait }
    }
    if (job && !isReplaceable(state)) return this.#jobs.stop(chart, job, cluster)
    try {
      await this.#jobs.replace(chart, job, desired, release.revision, cluster)
    } catch (error) {
      if (isNamespaceTerminating(error)) return this.#letGo(chart, cluster)
      throw error
    }
    const { namespace, name = '' } = desired.job.metadata
    cluster.events.event(chart, 'Normal', 'RemoveJob', `Uninstalling HelmChart using Job ${namespace}/${name}`)
    await this.#report(key, chart, { ...chart.status, jobName: name }, cluster)
    return done
  }

  async #removed(chart: HelmChart, cluster: Cluster): Promise<Result> {
    const job = `${chart.metadata.namespace}/${jobName(chart, 'delete')}`
    const text = `Uninstalled HelmChart using Job ${job}, removing resources`
    cluster.events.event(chart, 'Normal', 'RemoveJob', text)
    return this.#letGo(chart, cluster)
  }

  /** The binding is no child of the chart, and must not give its rights to a later account of that name. */
  async #letGo(chart: HelmChart, cluster: Cluster): Promise<Result> {
    if (!isUnmanaged(chart)) await this.#jobs.deleteAll(chart, cluster)
    await removeHelpers(chart, cluster.client)
    const finalizers = (chart.metadata.finalizers ?? []).filter(name => name !== finalizer)
    try {
      await cluster.client.update(helmCharts, { ...chart, metadata: { ...chart.metadata, finalizers } })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    return done
  }

  #desired(chart: HelmChart, { informers }: Cluster): Desired {
    const config = isTerminating(chart) ? undefined : informers.get(helmChartConfigs).get(keyOf(chart))
    const named = isTerminating(chart) ? [] : [chart, ...(config ? [config] : [])].flatMap(watchedSecrets)
    const known = named.map(name => informers.get(secrets).get(`${chart.metadata.namespace}/${name}`))
    return desiredFor(
      chart,
      config,
      known.filter(secret => secret !== undefined),
      this.#settings,
    )
  }

  /** Writes the status; the warning goes out with it once. */
  async #report(
    key: ObjectKey,
    chart: HelmChart,
    status: HelmChartStatus,
    { client, events }: Cluster,
    warning?: readonly [reason: string, message: string],
  ): Promise<void> {
    if (sameJson(chart.status, status)) return
    this.#charts.wrote(key, await updateStatus(client, helmCharts, chart, status))
    if (warning) events.event(chart, 'Warning', ...warning)
  }
}

const isInstallable = (chart: HelmChart): boolean => !!specOf(chart).chart || !!specOf(chart).chartContent
const isUnmanaged = (chart: HelmChart): boolean => chart.metadata.annotations?.[annotation.unmanaged] !== undefined
const isSupported = (chart: HelmChart): boolean => ['', 'v3'].includes(specOf(chart).helmVersion ?? '')
const hasFinalizer = (chart: HelmChart): boolean => (chart.metadata.finalizers ?? []).includes(finalizer)

function rerunIn(completedAt: number, { clock }: Cluster): number {
  return completedAt + rerunDelayMs - clock.now()
}
