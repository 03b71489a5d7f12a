/** `helm install` (pkg/action/install.go). */
import { isAlreadyExists } from '../../../bootstrap/api/errors.ts'
import { namespaces } from '../../../bootstrap/client/resources.ts'
import type { Rendered } from '../render/rendered.ts'
import { createAll, updateAll } from './apply.ts'
import { checkReachable } from './cluster.ts'
import { type Context, defaultTimeoutMs, messageOf } from './context.ts'
import { installCrds } from './crds.ts'
import { chartRecord } from './encode.ts'
import { runHooks } from './hooks.ts'
import { checkLabels, nameProblem } from './names.ts'
import { type Target, targetsOf } from './objects.ts'
import { existing, owned } from './ownership.ts'
import { readinessWithJobs } from './readiness/completion.ts'
import { readinessOf } from './readiness/status.ts'
import { waitUntilReady } from './readiness/wait.ts'
import { type Record, recordOf, timeText } from './record.ts'
import type { DeployOptions, Release } from './release.ts'
import { releaseHooks, renderedObjects, renderRelease } from './rendering.ts'
import { uninstall } from './uninstall.ts'

export type InstallOptions = DeployOptions & { readonly createNamespace?: boolean }

/**
 * Installs a chart as revision 1. Before the release is stored, a failure leaves nothing behind but CRDs and the
 * namespace; after that, the release is stored as failed, or uninstalled again when `atomic`.
 */
export async function install(context: Context, options: InstallOptions): Promise<Release> {
  const { name, namespace, chart, values } = options
  await checkReachable(context.client).catch(error => {
    throw new Error(`cluster reachability check failed: ${messageOf(error)}`)
  })
  await checkName(context, options)
  const serverSide = options.serverSide !== 'false'
  const forceConflicts = options.forceConflicts ?? false
  const request = async () => ({
    chart,
    values,
    release: { name, namespace, revision: 1, isInstall: true, isUpgrade: false },
    capabilities: await context.cluster.capabilities(),
  })
  context.cluster.reset()
  if (!options.skipCrds) await installCrds(context, await request(), { serverSide, forceConflicts })
  checkLabels(options.labels)
  const rendered = await renderRelease(context, await request())
  const now = timeText(context.clock.now())
  const record = recordOf(context, {
    name,
    namespace,
    version: 1,
    info: {
      first_deployed: now,
      last_deployed: now,
      deleted: '',
      description: 'Initial install underway',
      status: 'pending-install',
      notes: rendered.notes,
    },
    chart: chartRecord(chart, values),
    config: values,
    manifest: rendered.manifest,
    hooks: releaseHooks(rendered.hooks),
    apply_method: serverSide ? 'ssa' : 'csa',
    ...(options.labels ? { labels: options.labels } : {}),
  })
  const targets = await buildTargets(context, rendered, record.release)
  const adopted = await existing(context.client, targets, record.release, options.takeOwnership ?? false).catch(
    error => {
      throw new Error(`unable to continue with install: ${messageOf(error)}`, { cause: error })
    },
  )
  if (options.createNamespace) await createNamespace(context, namespace, serverSide)
  await context.storage.create(record.release)
  try {
    await perform(context, record, targets, adopted, { ...options, serverSide: serverSide ? 'true' : 'false' })
  } catch (error) {
    throw await failed(context, record, options, error)
  }
  return record.release
}

async function checkName({ storage }: Context, { name, namespace }: InstallOptions): Promise<void> {
  const problem = nameProblem(name)
  if (problem !== undefined) throw new Error(`release name check failed: release name "${name}": ${problem}`)
  if ((await storage.history(name, namespace)).length > 0)
    throw new Error('release name check failed: cannot reuse a name that is still in use')
}

async function buildTargets(context: Context, rendered: Rendered, release: Release): Promise<Target[]> {
  try {
    const targets = await targetsOf(context.cluster, renderedObjects(rendered), release.namespace, 'refuse')
    return targets.map(target => owned(target, release))
  } catch (error) {
    throw new Error(`unable to build kubernetes objects from release manifest: ${messageOf(error)}`, { cause: error })
  }
}

async function createNamespace(context: Context, name: string, serverSide: boolean): Promise<void> {
  // Go writes the empty spec and status too, and so owns them.
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { name } }, spec: {}, status: {} }
  try {
    await createAll(context, [{ object, resource: namespaces as Target['resource'], name, namespace: '' }], {
      serverSide,
    })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}

async function perform(
  context: Context,
  record: Record,
  targets: readonly Target[],
  adopted: readonly Target[],
  options: InstallOptions,
): Promise<void> {
  const serverSide = options.serverSide === 'true'
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const hooks = async (event: 'pre-install' | 'post-install') => {
    if (options.skipHooks) return
    await runHooks(context, record, event, { timeoutMs, serverSide }).catch(error => {
      throw new Error(`failed ${event}: ${messageOf(error)}`, { cause: error })
    })
  }
  await hooks('pre-install')
  if (adopted.length === 0) await createAll(context, targets, { serverSide })
  else
    await updateAll(context, adopted, targets, {
      serverSide,
      forceConflicts: options.forceConflicts ?? false,
      upgradeManagers: true,
      threeWayCustom: (options.takeOwnership ?? false) && !serverSide,
    })
  if (options.wait || options.atomic)
    await waitUntilReady(context, targets, options.waitForJobs ? readinessWithJobs : readinessOf, timeoutMs)
  await hooks('post-install')
  record.setInfo({ status: 'deployed', description: options.description || 'Install complete' })
  await record.save()
}

async function failed(context: Context, record: Record, options: InstallOptions, error: unknown): Promise<Error> {
  const { name, namespace, timeoutMs = defaultTimeoutMs, skipHooks = false } = options
  const message = messageOf(error)
  record.setInfo({ status: 'failed', description: `Release "${name}" failed: ${message}` })
  await record.save()
  if (!options.atomic || context.signal.aborted) return new Error(message, { cause: error })
  try {
    await uninstall(context, { name, namespace, timeoutMs, skipHooks, wait: true })
  } catch (second) {
    return new Error(
      `an error occurred while uninstalling the release. original install error: ${message}: ${messageOf(second)}`,
      { cause: error },
    )
  }
  return new Error(
    `release ${name} failed, and has been uninstalled due to rollback-on-failure being set: ${message}`,
    { cause: error },
  )
}
