/** `helm upgrade` (pkg/action/upgrade.go). */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { updateAll } from './apply.ts'
import { checkReachable } from './cluster.ts'
import { type Context, defaultTimeoutMs, messageOf } from './context.ts'
import { chartRecord } from './encode.ts'
import { runHooks } from './hooks.ts'
import { leftovers, sinceDeployed } from './leftovers.ts'
import { checkLabels, nameProblem } from './names.ts'
import { objectsOf, sameObject, type Target, targetsOf } from './objects.ts'
import { existing, owned } from './ownership.ts'
import { readinessWithJobs } from './readiness/completion.ts'
import { readinessOf } from './readiness/status.ts'
import { waitUntilReady } from './readiness/wait.ts'
import { mark, type Record, recordOf, timeText } from './record.ts'
import type { DeployOptions, Release } from './release.ts'
import { releaseHooks, renderedObjects, renderRelease } from './rendering.ts'
import { rollback } from './rollback.ts'
import { appliesOnServer } from './server-side.ts'

export type UpgradeOptions = DeployOptions & { readonly maxHistory?: number; readonly resetValues?: boolean }

export const defaultMaxHistory = 10

const isPending = ({ info }: Release) => info.status.startsWith('pending-')

/**
 * Deploys a chart as the next revision. A failure before the revision is stored changes nothing; after that, the revision
 * is stored as failed, and rolled back when `atomic`.
 */
export async function upgrade(context: Context, options: UpgradeOptions): Promise<Release> {
  const { name, namespace, maxHistory = defaultMaxHistory } = options
  await checkReachable(context.client)
  if (nameProblem(name) !== undefined) throw new Error(`release name is invalid: ${name}`)
  context.cluster.reset()
  const history = await context.storage.history(name, namespace)
  const last = history.at(-1)
  if (!last) throw new Error(`"${name}" has no deployed releases`)
  if (isPending(last)) throw new Error('another operation (install/upgrade/rollback) is in progress')
  const current = deployedOf(history, last)
  const { release, objects } = await prepare(context, options, last, current)
  const record = recordOf(context, release)
  const serverSide = record.release.apply_method === 'ssa'
  const { before, wanted } = await targets(context, options, history, current, release, objects)
  await context.storage.create(record.release, maxHistory)
  try {
    await perform(context, record, before, wanted, options, {
      serverSide,
      upgradeManagers: serverSide && current.apply_method !== 'ssa',
    })
  } catch (error) {
    throw await failed(context, record, options, error)
  }
  const others = history.filter(({ info, version }) => info.status === 'deployed' || version === current.version)
  await mark(context, others, 'superseded')
  record.setInfo({ status: 'deployed', description: options.description || 'Upgrade complete' })
  await context.storage.update(record.release)
  return record.release
}

/** The revision whose objects the upgrade starts from. */
function deployedOf(history: readonly Release[], last: Release): Release {
  const deployed = history.findLast(({ info }) => info.status === 'deployed')
  if (deployed) return deployed
  if (last.info.status === 'failed' || last.info.status === 'superseded') return last
  throw new Error(`"${last.name}" has no deployed releases`)
}

async function prepare(
  context: Context,
  options: UpgradeOptions,
  last: Release,
  current: Release,
): Promise<{ release: Release; objects: KubeObject[] }> {
  const { name, chart, labels, serverSide = 'auto' } = options
  const { namespace } = current
  const revision = last.version + 1
  const values = valuesOf(options, current)
  const rendered = await renderRelease(context, {
    chart,
    values,
    release: { name, namespace, revision, isInstall: false, isUpgrade: true },
    capabilities: await context.cluster.capabilities(),
  })
  checkLabels(labels)
  const next: Release = {
    name,
    namespace,
    version: revision,
    info: {
      first_deployed: current.info.first_deployed,
      last_deployed: timeText(context.clock.now()),
      deleted: '',
      description: 'Preparing upgrade',
      status: 'pending-upgrade',
      notes: rendered.notes,
    },
    chart: chartRecord(chart, values),
    config: values,
    manifest: rendered.manifest,
    hooks: releaseHooks(rendered.hooks),
    apply_method: appliesOnServer(serverSide, last) ? 'ssa' : 'csa',
    labels: mergedLabels(last.labels, labels),
  }
  return { release: next, objects: renderedObjects(rendered) }
}

/** Without values of its own an upgrade takes those of the release, unless told to reset them. */
function valuesOf({ values, resetValues }: UpgradeOptions, current: Release): DeployOptions['values'] {
  const kept = current.config ?? {}
  return !resetValues && Object.keys(values).length === 0 && Object.keys(kept).length > 0 ? kept : values
}

/** The label value "null" takes a label away. */
function mergedLabels(former: Release['labels'] = {}, wanted: Release['labels'] = {}): { [name: string]: string } {
  return Object.fromEntries(Object.entries({ ...former, ...wanted }).filter(([, value]) => value !== 'null'))
}

async function targets(
  context: Context,
  options: UpgradeOptions,
  history: readonly Release[],
  current: Release,
  next: Release,
  objects: readonly KubeObject[],
): Promise<{ before: Target[]; wanted: Target[] }> {
  const wanted = await targetsOf(context.cluster, objects, next.namespace, 'refuse')
  // Kinds that are no longer served cannot hold an upgrade up: their objects are gone, or live on in another version.
  const before = await former(context, current).catch(error => {
    throw new Error(`unable to build kubernetes objects from current release manifest: ${messageOf(error)}`, {
      cause: error,
    })
  })
  const fresh = wanted.filter(target => !before.some(other => sameObject(other, target)))
  const adopted = await existing(context.client, fresh, next, options.takeOwnership ?? false).catch(error => {
    throw new Error(`unable to continue with update: ${messageOf(error)}`, { cause: error })
  })
  const left = await leftovers(context, sinceDeployed(history), [...before, ...wanted])
  return {
    before: [...before, ...adopted.map(target => owned(target, next)), ...left],
    wanted: wanted.map(target => owned(target, next)),
  }
}

const former = async ({ cluster }: Context, { manifest, namespace }: Release) =>
  targetsOf(cluster, await objectsOf(manifest), namespace, 'skip')

async function perform(
  context: Context,
  record: Record,
  before: readonly Target[],
  wanted: readonly Target[],
  options: UpgradeOptions,
  mode: { readonly serverSide: boolean; readonly upgradeManagers: boolean },
): Promise<void> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const hooks = async (event: 'pre-upgrade' | 'post-upgrade') => {
    if (options.skipHooks) return
    await runHooks(context, record, event, { timeoutMs, serverSide: mode.serverSide }).catch(error => {
      throw new Error(`${event} hooks failed: ${messageOf(error)}`, { cause: error })
    })
  }
  await hooks('pre-upgrade')
  await updateAll(context, before, wanted, { ...mode, forceConflicts: options.forceConflicts ?? false })
  if (options.wait || options.atomic)
    await waitUntilReady(context, wanted, options.waitForJobs ? readinessWithJobs : readinessOf, timeoutMs)
  await hooks('post-upgrade')
}

async function failed(context: Context, record: Record, options: UpgradeOptions, error: unknown): Promise<Error> {
  const { name, namespace } = options
  const message = messageOf(error)
  record.setInfo({ status: 'failed', description: `Upgrade "${name}" failed: ${message}` })
  await record.save()
  if (!options.atomic || context.signal.aborted) return new Error(message, { cause: error })
  const good = (await context.storage.history(name, namespace)).findLast(
    ({ info }) => info.status === 'superseded' || info.status === 'deployed',
  )
  if (!good)
    return new Error(
      `unable to find a previously successful release when attempting to rollback. original upgrade error: ${message}`,
      { cause: error },
    )
  try {
    const { timeoutMs = defaultTimeoutMs, waitForJobs = false, skipHooks = false, serverSide = 'auto' } = options
    await rollback(context, {
      name,
      namespace,
      revision: good.version,
      wait: true,
      timeoutMs,
      waitForJobs,
      skipHooks,
      serverSide,
    })
  } catch (second) {
    return new Error(
      `an error occurred while rolling back the release. original upgrade error: ${message}: ${messageOf(second)}`,
      { cause: error },
    )
  }
  return new Error(
    `release ${name} failed, and has been rolled back due to rollback-on-failure being set: ${message}`,
    { cause: error },
  )
}
