/** `helm uninstall` (pkg/action/uninstall.go): works on a release in any state, however often it is asked. */
import { isStatusError } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { namespaces } from '../../../bootstrap/client/resources.ts'
import { sortByKind, uninstallOrder } from '../render/kind-order.ts'
import { deleteAll } from './apply.ts'
import { checkReachable } from './cluster.ts'
import { type Context, checkAborted, defaultTimeoutMs, messageOf } from './context.ts'
import { runHooks } from './hooks.ts'
import { nameProblem } from './names.ts'
import { objectsOf, type Target, targetsOf } from './objects.ts'
import { waitUntilGone } from './readiness/wait.ts'
import { mark, type Record, recordOf, timeText } from './record.ts'
import type { ActionOptions, Release } from './release.ts'

export type UninstallOptions = ActionOptions & { readonly keepHistory?: boolean }

/** Resolves with the release as it was last; with nothing when there is none. */
export async function uninstall(context: Context, options: UninstallOptions): Promise<Release | undefined> {
  const { name, namespace, keepHistory = false, timeoutMs = defaultTimeoutMs } = options
  await checkReachable(context.client)
  if (nameProblem(name) !== undefined) throw new Error(`uninstall: Release name is invalid: ${name}`)
  context.cluster.reset()
  const history = await context.storage.history(name, namespace)
  const last = history.at(-1)
  if (!last) return undefined
  if (last.info.status === 'uninstalled') {
    if (keepHistory) throw new Error(`the release named "${name}" is already deleted`)
    await purge(context, history)
    return last
  }
  const record = recordOf(context, last)
  record.setInfo({
    status: 'uninstalling',
    deleted: timeText(context.clock.now()),
    description: 'Deletion in progress (or silently failed)',
  })
  await hooks(context, record, 'pre-delete', options)
  await record.save()
  const targets = await deletions(context, record.release)
  const failures = await deleteAll(context, targets)
  for (const failure of failures)
    context.log.error({ release: name, error: messageOf(failure) }, 'uninstall: Failed to delete release')
  if (failures.length > 0) throw new Error(`failed to delete release: ${name}`, { cause: failures[0] })
  const problems: unknown[] = []
  const note = (error: unknown) => void problems.push(error)
  if (options.wait) await waitUntilGone(context, targets, timeoutMs).catch(note)
  await hooks(context, record, 'post-delete', options).catch(note)
  // Told to stop, it is not done: the record stays, so that the next uninstall finds what is left.
  checkAborted(context.signal)
  record.setInfo({ status: 'uninstalled', description: options.description || 'Uninstallation complete' })
  if (keepHistory) {
    await record.save()
    await mark(
      context,
      history.filter(({ info, version }) => info.status === 'deployed' && version !== last.version),
      'superseded',
    )
  } else
    await purge(context, history).catch(error =>
      note(new Error(`uninstall: Failed to purge the release: ${messageOf(error)}`)),
    )
  if (problems.length > 0)
    throw new Error(
      `uninstallation completed with ${problems.length} error(s): ${problems.map(messageOf).join('; ')}`,
      { cause: problems[0] },
    )
  return record.release
}

/** Oldest first: as long as a record is left, it is the last one, and says that the release is being uninstalled. */
async function purge({ storage }: Context, history: readonly Release[]): Promise<void> {
  for (const release of history) await storage.remove(release)
}

async function hooks(
  context: Context,
  record: Record,
  event: 'pre-delete' | 'post-delete',
  { skipHooks, timeoutMs = defaultTimeoutMs }: UninstallOptions,
): Promise<void> {
  if (skipHooks) return
  try {
    await runHooks(context, record, event, { timeoutMs, serverSide: true })
  } catch (error) {
    // In a namespace that is going away nothing can be created, and everything will be gone anyway.
    if (!(await isTerminating(context, record.release.namespace))) throw error
    context.log.warn({ release: record.release.name, error: messageOf(error) }, `${event} hooks skipped`)
  }
}

async function isTerminating({ client }: Context, name: string): Promise<boolean> {
  try {
    return (await client.get(namespaces, { name })).metadata.deletionTimestamp !== undefined
  } catch (error) {
    return isStatusError(error, 'NotFound')
  }
}

/** What is deleted, in order; what says `helm.sh/resource-policy` stays. Kinds that are gone took their objects with them. */
async function deletions(context: Context, release: Release): Promise<Target[]> {
  const objects = await objectsOf(release.manifest).catch(error => {
    throw new Error(`corrupted release record. You must manually delete the resources: ${messageOf(error)}`, {
      cause: error,
    })
  })
  const kept = objects.filter(isKept)
  for (const { kind, metadata } of kept)
    context.log.info({ kind, name: metadata.name }, 'kept due to the resource policy')
  const doomed = objects.filter(object => !isKept(object))
  const sorted = sortByKind(doomed, uninstallOrder, ({ kind }: KubeObject) => kind)
  return targetsOf(context.cluster, sorted, release.namespace, 'skip')
}

const isKept = ({ metadata }: KubeObject) =>
  metadata?.annotations?.['helm.sh/resource-policy']?.trim().toLowerCase() === 'keep'
