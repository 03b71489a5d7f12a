/** Creates, changes and deletes the objects of a release (Helm's pkg/kube/client.go). */
import { setImmediate as turn } from 'node:timers/promises'
import { ignoreNotFound, isConflict, isNotFound } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { retryOnConflict } from '../../runtime/apply.ts'
import { kindText } from './cluster.ts'
import { type Context, checkAborted, messageOf, throwAll } from './context.ts'
import { manager, upgradedEntries } from './managed-fields.ts'
import { nameOf, sameObject, type Target } from './objects.ts'
import { type JsonMap, mergePatch, threeWayMergePatch, threeWayPatch } from './three-way.ts'

export interface ApplyMode {
  readonly serverSide: boolean
  readonly forceConflicts?: boolean
  /** Hand fields of a client-side Helm over before applying on the server. */
  readonly upgradeManagers?: boolean
  /** Merge custom resources three ways too, instead of by what the chart changed. */
  readonly threeWayCustom?: boolean
}

/** Creates all; objects of one kind side by side, kinds one after the other. */
export async function createAll(context: Context, targets: readonly Target[], mode: ApplyMode): Promise<void> {
  await perform(targets, async target => {
    checkAborted(context.signal)
    await create(context, target, mode)
  })
}

/** The objects of one kind are worked on side by side; the thread is let go between starts. */
async function perform(targets: readonly Target[], work: (target: Target) => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  const running: Promise<unknown>[] = []
  for (const [index, target] of targets.entries()) {
    running.push(work(target).catch(error => failures.push(error)))
    if (targets[index + 1]?.resource.kind === target.resource.kind) await turn()
    else await Promise.all(running)
  }
  throwAll(failures)
}

async function create(context: Context, target: Target, mode: ApplyMode): Promise<void> {
  if (mode.serverSide && target.name !== '') await applyOnServer(context, target, mode)
  else await context.client.create(target.resource, target.object, { fieldManager: manager })
}

async function applyOnServer({ client }: Context, target: Target, mode: ApplyMode): Promise<void> {
  try {
    await client.patch(target.resource, nameOf(target), target.object, {
      type: 'apply',
      fieldManager: manager,
      fieldValidation: 'Strict',
      force: mode.forceConflicts ?? false,
    })
  } catch (error) {
    if (!isConflict(error)) throw error
    const which = `${target.namespace}/${target.name} ${kindText(target.resource)}`
    throw new Error(`conflict occurred while applying object ${which}: ${error.message}`, { cause: error })
  }
}

/**
 * Leads from the objects of one revision to those of the next: creates what is not there, changes what is, deletes what
 * is wanted no more (unless it says `helm.sh/resource-policy: keep`). `before` holds what may be changed: the former
 * revision's objects and those adopted.
 */
export async function updateAll(
  context: Context,
  before: readonly Target[],
  wanted: readonly Target[],
  mode: ApplyMode,
): Promise<void> {
  const failures: unknown[] = []
  for (const target of wanted) {
    checkAborted(context.signal)
    const live = await liveOf(context, target)
    if (!live) {
      await create(context, target, mode).catch(error => {
        throw new Error(`failed to create resource: ${messageOf(error)}`, { cause: error })
      })
      continue
    }
    const former = before.find(other => sameObject(other, target))
    if (!former) throw new Error(`original object ${target.resource.kind} with the name "${target.name}" not found`)
    try {
      await (mode.serverSide ? updateOnServer(context, target, live, mode) : patch(context, former, target, live, mode))
    } catch (error) {
      failures.push(error)
    }
  }
  throwAll(failures, ' && ')
  const gone = before.filter(former => !wanted.some(target => sameObject(former, target)))
  for (const target of gone) {
    checkAborted(context.signal)
    try {
      await removeUnlessKept(context, target)
    } catch (error) {
      failures.push(new Error(`failed to delete resource ${target.name}: ${messageOf(error)}`, { cause: error }))
    }
  }
  throwAll(failures, ' && ')
}

async function liveOf({ client }: Context, target: Target): Promise<KubeObject | undefined> {
  if (target.name === '') return undefined
  try {
    return await client.get(target.resource, nameOf(target))
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw new Error(`could not get information about the resource: ${messageOf(error)}`, { cause: error })
  }
}

async function updateOnServer(context: Context, target: Target, live: KubeObject, mode: ApplyMode): Promise<void> {
  if (mode.upgradeManagers) await upgradeManagers(context, target, live)
  await applyOnServer(context, target, mode)
}

async function upgradeManagers({ client }: Context, target: Target, live: KubeObject): Promise<void> {
  let latest: KubeObject | undefined = live
  await retryOnConflict(async () => {
    const object: KubeObject = latest ?? (await client.get(target.resource, nameOf(target)))
    latest = undefined
    const entries = upgradedEntries(object.metadata.managedFields ?? [])
    if (!entries) return
    const operations = [
      { op: 'replace', path: '/metadata/managedFields', value: entries },
      { op: 'replace', path: '/metadata/resourceVersion', value: object.metadata.resourceVersion },
    ]
    await client.patch(target.resource, nameOf(target), operations, { type: 'json', fieldManager: manager })
  })
}

async function patch(
  context: Context,
  former: Target,
  target: Target,
  live: KubeObject,
  mode: ApplyMode,
): Promise<void> {
  const { resource, name } = target
  const { type, body } = await patchOf(context, former, target, live, mode).catch(error => {
    throw new Error(`failed to create patch: ${messageOf(error)}`, { cause: error })
  })
  if (Object.keys(body).length === 0) return
  try {
    await context.client.patch(resource, nameOf(target), body, { type, fieldManager: manager })
  } catch (error) {
    throw new Error(`cannot patch "${name}" with kind ${resource.kind}: ${messageOf(error)}`, { cause: error })
  }
}

async function patchOf(
  { patchMetas }: Context,
  former: Target,
  target: Target,
  live: KubeObject,
  mode: ApplyMode,
): Promise<{ type: 'strategic' | 'merge'; body: JsonMap }> {
  const meta = await patchMetas(target.resource)
  if (meta) return { type: 'strategic', body: threeWayPatch(former.object, target.object, live, meta) }
  const body = mode.threeWayCustom
    ? threeWayMergePatch(former.object, target.object, live)
    : mergePatch(former.object, target.object)
  return { type: 'merge', body }
}

async function removeUnlessKept({ client, log }: Context, target: Target): Promise<void> {
  const live = await client.get(target.resource, nameOf(target)).catch(ignoreNotFound)
  if (!live) return
  if (live.metadata.annotations?.['helm.sh/resource-policy'] === 'keep') {
    log.debug({ kind: target.resource.kind, name: target.name }, 'skipping delete due to annotation')
    return
  }
  await client.delete(target.resource, nameOf(target), { propagationPolicy: 'Background' }).catch(ignoreNotFound)
}

/** Deletes all, whatever fails on the way; content with what is gone. Resolves with the failures. */
export async function deleteAll({ client }: Context, targets: readonly Target[]): Promise<unknown[]> {
  const failures: unknown[] = []
  await perform(targets, async target => {
    try {
      await client.delete(target.resource, nameOf(target), { propagationPolicy: 'Background' }).catch(ignoreNotFound)
    } catch (error) {
      failures.push(error)
    }
  })
  return failures
}
