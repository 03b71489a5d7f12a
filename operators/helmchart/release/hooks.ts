/** Runs the hooks of a release (Helm's pkg/action/hooks.go): in order of weight, each until its Job or Pod has ended. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { objectPath } from '../../../bootstrap/client/paths.ts'
import { pods } from '../../../bootstrap/client/resources.ts'
import type { HookDeletePolicy, HookEvent } from '../render/rendered.ts'
import { createAll, deleteAll } from './apply.ts'
import { type Context, checkAborted, messageOf, throwAll } from './context.ts'
import { hookLeftovers } from './hook-leftovers.ts'
import { objectsOf, type Target, targetsOf } from './objects.ts'
import { hookReadiness } from './readiness/completion.ts'
import { waitUntilGone, waitUntilReady } from './readiness/wait.ts'
import { type Record, timeText } from './record.ts'
import type { ReleaseHook } from './release.ts'

export interface HookOptions {
  readonly timeoutMs: number
  readonly serverSide: boolean
}

/**
 * Runs the hooks of one event and records how they went in the release. Rejects with the first failure, after the
 * deletions that the hooks ask for.
 */
export async function runHooks(
  context: Context,
  record: Record,
  event: HookEvent,
  options: HookOptions,
): Promise<void> {
  const hooks = hooksOf(record, event)
  for (const [index, { name }] of hooks.entries()) {
    try {
      await runHook(context, record, index, event, options)
    } catch (error) {
      context.log.warn({ release: record.release.name, hook: name, error: messageOf(error) }, `${event} hook failed`)
      throw error
    }
  }
  for (const hook of hooksOf(record, event).reverse()) {
    await outputLogs(context, record, hook, 'hook-succeeded')
    await deleteBy(context, record, hook, 'hook-succeeded', options)
  }
}

/** The hooks of an event in the order they run in: by weight, then name; equal ones stay in order. */
function hooksOf(record: Record, event: HookEvent): ReleaseHook[] {
  return (record.release.hooks ?? [])
    .filter(({ events }) => events.includes(event))
    .sort((a, b) => (a.weight ?? 0) - (b.weight ?? 0) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

async function runHook(
  context: Context,
  record: Record,
  index: number,
  event: HookEvent,
  options: HookOptions,
): Promise<void> {
  const { clock } = context
  let hook = hooksOf(record, event)[index]!
  const put = (change: Partial<ReleaseHook>) => {
    const changed = { ...hook, ...change }
    record.set({ hooks: (record.release.hooks ?? []).map(other => (other === hook ? changed : other)) })
    hook = changed
  }
  if (!hook.delete_policies?.length) put({ delete_policies: ['before-hook-creation'] })
  checkAborted(context.signal)
  await deleteBy(context, record, hook, 'before-hook-creation', options)
  const targets = await hookTargets(context, record, hook, event).catch(error => {
    throw new Error(`unable to build kubernetes object for ${event} hook ${hook.path}: ${messageOf(error)}`)
  })
  await deleteTargets(context, await hookLeftovers(context, record, hook, targets), options)
  const started_at = timeText(clock.now())
  put({ last_run: { started_at, completed_at: '', phase: 'Running' } })
  await record.save()
  const ended = (phase: ReleaseHook['last_run']['phase']) =>
    put({ last_run: { started_at, completed_at: timeText(clock.now()), phase } })
  try {
    await createAll(context, targets, { serverSide: options.serverSide })
  } catch (error) {
    ended('Failed')
    throw new Error(`warning: Hook ${event} ${hook.path} failed: ${messageOf(error)}`, { cause: error })
  }
  try {
    await waitUntilReady(context, targets, hookReadiness, options.timeoutMs)
    ended('Succeeded')
  } catch (error) {
    ended('Failed')
    await afterFailure(context, record, hook, hooksOf(record, event).slice(0, index), options)
    throw error
  }
}

async function afterFailure(
  context: Context,
  record: Record,
  hook: ReleaseHook,
  earlier: readonly ReleaseHook[],
  options: HookOptions,
): Promise<void> {
  await outputLogs(context, record, hook, 'hook-failed')
  try {
    await deleteBy(context, record, hook, 'hook-failed', options)
    for (const other of earlier) await deleteBy(context, record, other, 'hook-succeeded', options)
  } catch (error) {
    context.log.warn({ hook: hook.name, error: messageOf(error) }, 'error deleting the hook resource on hook failure')
  }
}

/** At uninstall a kind that has vanished holds nothing up: its hooks have nothing left to do. */
async function hookTargets(
  context: Context,
  { release }: Record,
  hook: ReleaseHook,
  event: HookEvent,
): Promise<Target[]> {
  const missing = event === 'pre-delete' || event === 'post-delete' ? 'skip' : 'refuse'
  return targetsOf(context.cluster, await objectsOf(hook.manifest), release.namespace, missing)
}

/** Deletes what a hook made, when its policies say so, and waits until it is gone: the next run starts from nothing. */
async function deleteBy(
  context: Context,
  record: Record,
  hook: ReleaseHook,
  policy: HookDeletePolicy,
  options: HookOptions,
): Promise<void> {
  // Deleting a definition would delete every object of its kind.
  if (hook.kind === 'CustomResourceDefinition' || !hook.delete_policies?.includes(policy)) return
  const objects = await objectsOf(hook.manifest)
  const targets = await targetsOf(context.cluster, objects, record.release.namespace, 'skip')
  const named = targets.filter(({ name }) => name !== '')
  await deleteTargets(context, named, options)
}

async function deleteTargets(context: Context, targets: readonly Target[], options: HookOptions): Promise<void> {
  throwAll(await deleteAll(context, targets), '; ')
  await waitUntilGone(context, targets, options.timeoutMs)
}

async function outputLogs(
  context: Context,
  { release }: Record,
  hook: ReleaseHook,
  policy: 'hook-succeeded' | 'hook-failed',
): Promise<void> {
  if (!hook.output_log_policies?.includes(policy) || !context.hookOutput) return
  const selector =
    hook.kind === 'Job'
      ? { labelSelector: `job-name=${hook.name}` }
      : hook.kind === 'Pod'
        ? { fieldSelector: `metadata.name=${hook.name}` }
        : undefined
  if (!selector) return
  try {
    const [object] = await objectsOf(hook.manifest)
    const namespace = object?.metadata.namespace || release.namespace
    const { items } = await context.client.list(pods, { namespace, ...selector })
    for (const pod of items) await outputPod(context, pod, namespace)
  } catch (error) {
    context.log.warn({ hook: hook.name, error: messageOf(error) }, 'error outputting logs of a hook')
  }
}

async function outputPod(context: Context, pod: KubeObject, namespace: string): Promise<void> {
  const { containers = [] } = (pod.spec ?? {}) as { containers?: readonly { name: string }[] }
  for (const { name } of containers) {
    const path = objectPath(pods, { name: pod.metadata.name ?? '', namespace }, 'log')
    const text = await context.client.raw('GET', `${path}?container=${encodeURIComponent(name)}`)
    context.hookOutput?.(typeof text === 'string' ? text : JSON.stringify(text))
  }
}
