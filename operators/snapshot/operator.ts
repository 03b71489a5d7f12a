/**
 * Snapshots of the datastore, of whichever kind it is: on schedule, on request, their objects, and S3. Runs on every server,
 * since each has its own files (k3s-io/k3s pkg/etcd). docs/backups.md is for users.
 */
import type { Kernel } from '../../bootstrap/userland.ts'
import { type Cluster, done, type Operator, on } from '../runtime/operator.ts'
import { watchFolders } from '../runtime/watch-folders.ts'
import { type Context, contextOf } from './context.ts'
import { finish } from './deletion.ts'
import { etcdSnapshotFiles } from './etcd-snapshot-file.ts'
import { FolderError } from './folder.ts'
import { snapshotMetrics } from './metrics.ts'
import { isPending, retryUpload } from './pending.ts'
import { reconcileSnapshots } from './reconcile.ts'
import { answer } from './requests.ts'
import { save } from './save.ts'
import { followCron, type Schedule } from './schedule.ts'

const jitterMs = 5000
/** What is written to the folder comes in several steps. */
const settleMs = 300

export interface SnapshotEffects {
  readonly schedule?: Schedule
  /** In place of what the kernel and the cluster make. */
  readonly context?: (cluster: Cluster) => Context
}

/** None without a kernel that has snapshots, that is, for `skiff operator`. */
export function snapshotOperator(kernel: Kernel, effects: SnapshotEffects = {}): Operator[] {
  const { snapshots: engine } = kernel
  if (!engine) return []
  const made = effects.context ?? ((cluster: Cluster) => contextOf(kernel, engine, cluster, metricsOf(kernel, cluster)))
  let context: Context | undefined
  const of = (cluster: Cluster) => (context ??= made(cluster))
  return [
    {
      name: 'etcd-snapshot',
      watches: [
        on(etcdSnapshotFiles, ({ metadata, spec, status }, _old, change) => {
          const waits = spec?.s3 !== undefined && status?.readyToUse !== true
          return change !== 'deleted' && (metadata.deletionTimestamp || waits) ? metadata.name : undefined
        }),
      ],
      async reconcile(key, cluster) {
        const objects = cluster.informers.get(etcdSnapshotFiles)
        const object = objects.get(key)
        if (!object) return done
        const shared = of(cluster)
        if (object.metadata.deletionTimestamp) await finish(object, shared)
        else if (isPending(object, shared.node)) return await retryUpload(key, objects, shared)
        return done
      },
      async run(cluster, enqueue) {
        const shared = of(cluster)
        shared.state.wake = () => {
          for (const object of cluster.informers.get(etcdSnapshotFiles).list())
            if (isPending(object, shared.node)) enqueue(object.metadata.name!)
        }
        kernel.answer?.('/db/snapshot', body => answer(body, shared))
        await Promise.all([keepReconciled(shared), takeOnSchedule(shared, effects.schedule ?? followCron)])
      },
    },
  ]
}

const metricsOf = ({ metrics }: Kernel, { clock }: Cluster) => snapshotMetrics(metrics, clock)

/** At the start, when something in the folder changes, and from time to time, for S3's sake. */
async function keepReconciled(context: Context): Promise<void> {
  const { clock, folder, log, settings, signal } = context
  const look = (s3: Context['s3']) =>
    reconcileSnapshots(context, s3).catch(error => {
      if (signal.aborted) return
      const isOurs = error instanceof FolderError
      log.warn(
        isOurs ? {} : { err: error },
        `cannot reconcile ETCDSnapshotFile resources${isOurs ? `: ${error.message}` : ''}`,
      )
    })
  await look(context.s3)
  // What changes on disk says nothing of S3.
  const changed = () => !context.state.saving && void look(undefined)
  watchFolders([folder.path], settleMs, changed, signal)
  const { disabled, reconcileIntervalMs } = settings
  while (!disabled && reconcileIntervalMs > 0 && !signal.aborted) {
    await clock.sleep(reconcileIntervalMs, signal).catch(() => {})
    if (!signal.aborted) await look(context.s3)
  }
}

async function takeOnSchedule(context: Context, schedule: Schedule): Promise<void> {
  const { clock, settings, signal } = context
  if (settings.disabled) return
  await schedule(settings.schedule, () => void takeScheduled(context), clock, signal)
}

/** Servers of a cluster do not all begin at the same moment. */
async function takeScheduled(context: Context): Promise<void> {
  const { clock, folder, isMine, log, random, s3, settings, signal, state } = context
  try {
    await clock.sleep(random() * jitterMs, signal)
    if (!(await isMine())) return
    if (state.saving) return log.info({}, 'A snapshot is still being saved: this one is left out')
    const { name, compress, retention } = settings
    const { deleted } = await save({ name, folder, compress, retention, s3, verify: true }, context)
    await reconcileSnapshots(context, s3, deleted)
    state.wake()
  } catch (error) {
    if (!signal.aborted) log.error({}, `Failed to take scheduled snapshot: ${(error as Error).message}`)
  }
}
