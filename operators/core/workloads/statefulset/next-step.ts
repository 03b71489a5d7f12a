/** What to do next with a StatefulSet's pods (upstream statefulset/stateful_set_control.go). */
import type { Pod, StatefulSet } from '../../../../bootstrap/client/resources.ts'
import { isAvailable, isReady, isTerminal, isTerminating } from '../../../runtime/pods.ts'
import { revisionLabel } from '../revisions.ts'
import { ordinalOf } from './identity.ts'

export type Step =
  | { readonly type: 'create'; readonly ordinal: number }
  | { readonly type: 'replace'; readonly pod: Pod }
  | { readonly type: 'delete'; readonly pod: Pod }

export interface Situation {
  readonly set: StatefulSet
  readonly owned: readonly Pod[]
  /** Names of the revisions. */
  readonly current: string
  readonly update: string
  readonly now: number
}

export const startOf = (set: StatefulSet): number => set.spec.ordinals?.start ?? 0
export const replicasOf = (set: StatefulSet): number => set.spec.replicas ?? 1
export const revisionOf = (pod: Pod): string => pod.metadata.labels?.[revisionLabel] ?? ''
const isParallel = (set: StatefulSet) => set.spec.podManagementPolicy === 'Parallel'
const isRolling = (set: StatefulSet) => set.spec.updateStrategy?.type !== 'OnDelete'

/** The steps to take now; where order matters there is one, and none while a pod must be waited for. */
export function nextSteps(situation: Situation): readonly Step[] {
  const { set, owned } = situation
  const wanted = Array.from({ length: replicasOf(set) }, (_, index) => startOf(set) + index)
  const pods = new Map(owned.map(pod => [ordinalOf(set, pod) ?? -1, pod]))
  const filling: Step[] = []
  for (const ordinal of wanted) {
    const step = fill(ordinal, pods.get(ordinal), situation)
    if (step !== 'ready' && step !== 'waiting') filling.push(step)
    if (step !== 'ready' && !isParallel(set)) return filling
  }
  const condemned = owned
    .filter(pod => !wanted.includes(ordinalOf(set, pod) ?? -1))
    .sort((a, b) => (ordinalOf(set, b) ?? 0) - (ordinalOf(set, a) ?? 0))
  const leaving = condemned.filter(pod => !isTerminating(pod)).map((pod): Step => ({ type: 'delete', pod }))
  if (!isParallel(set) && condemned.length > 0) return condemned.some(isTerminating) ? [] : leaving.slice(0, 1)
  if (filling.length > 0 || leaving.length > 0) return [...filling, ...leaving]
  return replaceOutdated(wanted, pods, situation)
}

function fill(ordinal: number, pod: Pod | undefined, situation: Situation): Step | 'ready' | 'waiting' {
  if (!pod) return { type: 'create', ordinal }
  if (isTerminating(pod)) return 'waiting'
  if (isTerminal(pod)) return { type: 'replace', pod }
  return isHealthy(pod, situation) ? 'ready' : 'waiting'
}

/** From the highest ordinal down to the partition, one pod at a time. */
function replaceOutdated(
  wanted: readonly number[],
  pods: ReadonlyMap<number, Pod>,
  situation: Situation,
): readonly Step[] {
  const { set, update } = situation
  if (!isRolling(set)) return []
  const partition = startOf(set) + (set.spec.updateStrategy?.rollingUpdate?.partition ?? 0)
  for (const ordinal of [...wanted].reverse()) {
    if (ordinal < partition) break
    const pod = pods.get(ordinal)
    if (!pod) return []
    if (revisionOf(pod) !== update && !isTerminating(pod)) return [{ type: 'delete', pod }]
    if (!isHealthy(pod, situation)) return []
  }
  return []
}

function isHealthy(pod: Pod, { set, now }: Situation): boolean {
  const running = pod.status?.phase === 'Running' && isReady(pod) && !isTerminating(pod)
  return running && isAvailable(pod, set.spec.minReadySeconds ?? 0, now)
}

/** Whether a pod made now for the ordinal is still one of the current revision, not of the update. */
export function staysCurrent({ set, owned, current }: Situation, ordinal: number): boolean {
  if (!isRolling(set)) return false
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition
  const left = owned.filter(pod => !isTerminating(pod) && revisionOf(pod) === current).length
  return ordinal < startOf(set) + (partition ?? left)
}

/** The counts in the set's status, and whether the update is complete. */
export function statefulSetStatus({ set, owned, current, update, now }: Situation): NonNullable<StatefulSet['status']> {
  const count = (test: (pod: Pod) => boolean) => owned.filter(test).length
  const of = (revision: string) => (pod: Pod) => !isTerminating(pod) && revisionOf(pod) === revision
  const ready = count(pod => pod.status?.phase === 'Running' && isReady(pod))
  const updated = count(of(update))
  const complete = isRolling(set) && [updated, ready, owned.length].every(number => number === replicasOf(set))
  return {
    observedGeneration: set.metadata.generation,
    replicas: owned.length,
    readyReplicas: ready || undefined,
    availableReplicas: count(pod => isReady(pod) && isAvailable(pod, set.spec.minReadySeconds ?? 0, now)),
    currentReplicas: (complete ? updated : count(of(current))) || undefined,
    updatedReplicas: updated || undefined,
    currentRevision: complete ? update : current,
    updateRevision: update,
    collisionCount: set.status?.collisionCount ?? 0,
  }
}
