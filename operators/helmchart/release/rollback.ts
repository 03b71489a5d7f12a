/** `helm rollback` (pkg/action/rollback.go): deploys an earlier revision's manifest as the next one. */
import { updateAll } from './apply.ts'
import { checkReachable } from './cluster.ts'
import { type Context, defaultTimeoutMs, messageOf } from './context.ts'
import { runHooks } from './hooks.ts'
import { leftovers, sinceDeployed } from './leftovers.ts'
import { nameProblem } from './names.ts'
import { objectsOf, sameObject, type Target, targetsOf } from './objects.ts'
import { existing, owned } from './ownership.ts'
import { readinessWithJobs } from './readiness/completion.ts'
import { readinessOf } from './readiness/status.ts'
import { waitUntilReady } from './readiness/wait.ts'
import { mark, type Record, recordOf, timeText } from './record.ts'
import type { ActionOptions, Release, ServerSide } from './release.ts'
import { appliesOnServer } from './server-side.ts'

export type RollbackOptions = ActionOptions & {
  readonly revision?: number
  readonly serverSide?: ServerSide
  readonly forceConflicts?: boolean
  readonly maxHistory?: number
}

/** A failure after the new revision is stored leaves it stored as failed, never as pending. */
export async function rollback(context: Context, options: RollbackOptions): Promise<Release> {
  const { name, namespace, revision = 0, maxHistory = 10, serverSide = 'auto' } = options
  await checkReachable(context.client)
  if (nameProblem(name) !== undefined) throw new Error(`prepareRollback: Release name is invalid: ${name}`)
  if (revision < 0) throw new Error('invalid release revision')
  context.cluster.reset()
  const history = await context.storage.history(name, namespace)
  const current = history.at(-1)
  if (!current) throw new Error('release: not found')
  const wanted = revision === 0 ? current.version - 1 : revision
  const former = history.find(({ version }) => version === wanted)
  if (!former) throw new Error(`release has no ${wanted} version`)
  const onServer = appliesOnServer(serverSide, former)
  const record = recordOf(context, {
    ...former,
    namespace: current.namespace,
    version: current.version + 1,
    info: {
      first_deployed: current.info.first_deployed,
      last_deployed: timeText(context.clock.now()),
      deleted: '',
      description: `Rollback to ${wanted}`,
      status: 'pending-rollback',
      ...(former.info.notes === undefined ? {} : { notes: former.info.notes }),
    },
    apply_method: onServer ? 'ssa' : 'csa',
  })
  await context.storage.create(record.release, maxHistory)
  try {
    await perform(context, record, history, options, onServer)
  } catch (error) {
    record.setInfo({ status: 'failed', description: `Rollback "${name}" failed: ${messageOf(error)}` })
    await record.save()
    throw error
  }
  const deployed = (await context.storage.history(name, namespace)).filter(({ info }) => info.status === 'deployed')
  await mark(context, deployed, 'superseded')
  record.setInfo({ status: 'deployed' })
  if (options.description) record.setInfo({ description: options.description })
  await context.storage.update(record.release)
  return record.release
}

async function perform(
  context: Context,
  record: Record,
  history: readonly Release[],
  options: RollbackOptions,
  serverSide: boolean,
): Promise<void> {
  const current = history.at(-1)!
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const before = await build(context, current, 'current', 'skip')
  const wanted = (await build(context, record.release, 'new', 'refuse')).map(target => owned(target, record.release))
  const hooks = async (event: 'pre-rollback' | 'post-rollback') => {
    if (!options.skipHooks) await runHooks(context, record, event, { timeoutMs, serverSide })
  }
  await hooks('pre-rollback')
  const adopted = await existing(context.client, without(wanted, before), record.release, false)
  const left = await leftovers(context, sinceDeployed(history), [...before, ...wanted])
  try {
    await updateAll(context, [...before, ...adopted, ...left], wanted, {
      serverSide,
      forceConflicts: options.forceConflicts ?? false,
      upgradeManagers: true,
    })
  } catch (error) {
    await mark(context, [current], 'superseded')
    throw error
  }
  if (options.wait)
    await waitUntilReady(context, wanted, options.waitForJobs ? readinessWithJobs : readinessOf, timeoutMs)
  await hooks('post-rollback')
}

const without = (targets: readonly Target[], others: readonly Target[]) =>
  targets.filter(target => !others.some(other => sameObject(other, target)))

async function build(
  { cluster }: Context,
  release: Release,
  which: 'current' | 'new',
  missing: 'skip' | 'refuse',
): Promise<Target[]> {
  try {
    return await targetsOf(cluster, await objectsOf(release.manifest), release.namespace, missing)
  } catch (error) {
    throw new Error(`unable to build kubernetes objects from ${which} release manifest: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
