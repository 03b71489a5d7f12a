/** Waits for objects by watching them (Helm's statusWaiter): until all are ready or have failed, or until all are gone. */
import { type KubeObject, keyOf } from '../../../../bootstrap/api/object.ts'
import { formatLabelSelector } from '../../../../bootstrap/api/selectors.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import { pods } from '../../../../bootstrap/client/resources.ts'
import type { Context } from '../context.ts'
import { messageOf } from '../context.ts'
import type { Target } from '../objects.ts'
import { follow, type Picture } from './follow.ts'
import { failed, objectOf, type Readiness } from './readiness.ts'
import { groupKind, isUnschedulable, readinessOf } from './status.ts'

export type Judge = (object: KubeObject, now: number) => Readiness

type Waiting = Pick<Context, 'client' | 'clock' | 'random' | 'signal'>

/** How often time alone is looked at: an unscheduled pod fails by its age. */
const lookAgainMs = 5000

/**
 * Resolves when `judge` finds all objects Current. Rejects when all are Current or Failed and one has failed, after
 * `timeoutMs`, or when the action is told to stop: one line for each object that is not ready.
 */
export async function waitUntilReady(
  context: Waiting,
  targets: readonly Target[],
  judge: Judge,
  timeoutMs: number,
): Promise<void> {
  const awaited = targets.filter(({ object }) => !isPaused(object))
  const over = await watchTargets(context, awaited, timeoutMs, judge, readings =>
    readings.every(({ status }) => status === 'Current' || status === 'Failed'),
  )
  report(over, awaited, ({ status }) => status === 'Current', 'not ready')
}

/** Resolves when none of the objects exists any more. */
export async function waitUntilGone(context: Waiting, targets: readonly Target[], timeoutMs: number): Promise<void> {
  const named = targets.filter(({ name }) => name !== '')
  const over = await watchTargets(context, named, timeoutMs, readinessOf, readings =>
    readings.every(({ status }) => status === 'NotFound'),
  )
  report(over, named, ({ status }) => status === 'NotFound' || status === 'Unknown', 'still exists')
}

interface Outcome {
  readonly readings: readonly Readiness[]
  readonly end: 'done' | 'timeout' | 'aborted'
}

function report(
  { readings, end }: Outcome,
  targets: readonly Target[],
  fine: (reading: Readiness) => boolean,
  what: string,
) {
  const lines = targets.flatMap(({ resource, namespace, name }, index) => {
    const reading = readings[index]!
    if (fine(reading)) return []
    return [
      `resource ${resource.kind}/${namespace}/${name} ${what}. status: ${reading.status}, message: ${reading.message}`,
    ]
  })
  if (end === 'timeout') lines.push('context deadline exceeded')
  if (end === 'aborted') lines.push('context canceled')
  if (lines.length > 0) throw new Error(lines.join('\n'))
}

async function watchTargets(
  context: Waiting,
  targets: readonly Target[],
  timeoutMs: number,
  judge: Judge,
  satisfied: (readings: readonly Readiness[]) => boolean,
): Promise<Outcome> {
  if (targets.length === 0) return { readings: [], end: 'done' }
  const { clock } = context
  const stop = new AbortController()
  const signal = AbortSignal.any([context.signal, stop.signal])
  const pictures = new Map<string, Picture>()
  const readings = () => targets.map(target => readingOf(target, pictures, judge, clock.now()))
  const following: Promise<void>[] = []
  const outcome = await new Promise<Outcome['end']>((resolve, reject) => {
    const look = () => {
      if (satisfied(readings())) resolve('done')
    }
    for (const [id, source] of sourcesOf(targets)) {
      const changed = (picture: Picture) => {
        pictures.set(id, picture)
        look()
      }
      following.push(follow(context, source.resource, source.scope, changed, signal).catch(reject))
    }
    following.push(
      clock.sleep(timeoutMs, signal).then(
        () => resolve('timeout'),
        () => resolve('aborted'),
      ),
      every(lookAgainMs, clock, signal, look),
    )
  }).finally(() => stop.abort(new Error('nobody waits any more')))
  return { readings: readings(), end: outcome }
}

async function every(ms: number, clock: Context['clock'], signal: AbortSignal, look: () => void): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(ms, signal)
      look()
    }
  } catch {
    // The wait is over.
  }
}

interface Source {
  readonly resource: Resource
  readonly scope: { readonly namespace?: string; readonly labelSelector?: string }
}

const idOf = ({ resource: { group, version, resource }, namespace }: Pick<Target, 'resource' | 'namespace'>) =>
  `${group}/${version}/${resource}/${namespace}`

/** One watch per resource and namespace, and one for the pods of each controller whose pods count. */
function sourcesOf(targets: readonly Target[]): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>()
  for (const target of targets) {
    const { namespace, resource } = target
    sources.set(idOf(target), { resource, scope: namespace === '' ? {} : { namespace } })
    if (ownsPods(target))
      sources.set(podsIdOf(target), { resource: pods as unknown as Resource, scope: podScope(target) })
  }
  return sources
}

const ownsPods = ({ object }: Target) => ['apps/StatefulSet', 'apps/ReplicaSet'].includes(groupKind(object))
const podsIdOf = (target: Target) => `pods of ${idOf(target)}/${target.name}`

function podScope({ object, namespace }: Target) {
  return { namespace, labelSelector: formatLabelSelector(objectOf(object.spec).selector as object) }
}

function readingOf(target: Target, pictures: ReadonlyMap<string, Picture>, judge: Judge, now: number): Readiness {
  const picture = pictures.get(idOf(target))
  if (!picture) return { status: 'Unknown', message: '' }
  const { name, namespace } = target
  const object = picture.get(keyOf({ metadata: namespace === '' ? { name } : { name, namespace } }))
  if (!object) return { status: 'NotFound', message: 'Resource not found' }
  const reading = judged(object, judge, now)
  if (reading.status !== 'InProgress' || !ownsPods(target)) return reading
  const broken = [...(pictures.get(podsIdOf(target))?.values() ?? [])].filter(pod => hasFailed(pod, now))
  return broken.length > 0 ? failed(`${broken.length} pods have failed`) : reading
}

function judged(object: KubeObject, judge: Judge, now: number): Readiness {
  try {
    return judge(object, now)
  } catch (error) {
    return { status: 'Unknown', message: messageOf(error) }
  }
}

/** A pod that is beyond hope; waiting for a node may end, and a pod being deleted is replaced. */
const hasFailed = (pod: KubeObject, now: number) =>
  !pod.metadata.deletionTimestamp && !isUnschedulable(pod) && readinessOf(pod, now).status === 'Failed'

const isPaused = (object: KubeObject) =>
  groupKind(object) === 'apps/Deployment' && objectOf(object.spec).paused === true
