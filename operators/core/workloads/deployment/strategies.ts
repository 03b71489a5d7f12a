/** The two ways to get from the old ReplicaSets to the new one (upstream deployment/rolling.go, recreate.go). */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import { type ReplicaSet, replicaSets } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { isTerminal, isTerminating, ownedBy, podsOf } from '../../../runtime/pods.ts'
import { revisionOf } from './annotations.ts'
import { resize, resizeNewSet } from './sizes.ts'
import { allSets, availableTotal, fenceposts, replicasOf, specTotal, unlimited, type View } from './view.ts'

/** One step of a rolling update: more of the new, or less of the old. Returns whether it changed anything. */
export async function roll(view: View): Promise<boolean> {
  return (await resizeNewSet(view)) || (await shrinkOldSets(view))
}

async function shrinkOldSets(view: View): Promise<boolean> {
  const { deployment, newSet, oldSets } = view
  if (specTotal(oldSets) === 0) return false
  const sets = allSets(view)
  const minAvailable = replicasOf(deployment) - fenceposts(deployment).unavailable
  const newUnavailable = newSet ? replicasOf(newSet) - (newSet.status?.availableReplicas ?? 0) : 0
  const removable = specTotal(sets) - minAvailable - newUnavailable
  if (removable <= 0) return false
  const sizes = new Map(oldSets.map(set => [set, replicasOf(set)]))
  const unhealthy = take(sizes, removable, set => replicasOf(set) - (set.status?.availableReplicas ?? 0))
  const healthy = Math.max(0, availableTotal(sets) - minAvailable)
  take(sizes, healthy, set => sizes.get(set) ?? 0)
  let changed = unhealthy > 0
  for (const [set, size] of sizes) if (size !== replicasOf(set)) changed = (await resize(view, set, size)) || changed
  return changed
}

/** Takes up to `budget` pods from the sets, oldest first, each giving at most what `offer` says. Returns how many. */
function take(sizes: Map<ReplicaSet, number>, budget: number, offer: (set: ReplicaSet) => number): number {
  let taken = 0
  for (const [set, size] of sizes) {
    const share = Math.max(0, Math.min(budget - taken, offer(set), size))
    sizes.set(set, size - share)
    taken += share
  }
  return taken
}

/** Stops all of the old. Returns whether it changed anything. */
export async function stopOldSets(view: View): Promise<boolean> {
  let changed = false
  for (const set of view.oldSets) if (replicasOf(set) > 0) changed = (await resize(view, set, 0)) || changed
  return changed
}

/** Whether any pod of another set than the new one may still run. */
export function oldPodsRun({ cluster, newSet }: View, sets: readonly ReplicaSet[]): boolean {
  const all = podsOf(cluster.informers)
  return sets.some(
    set => set.metadata.uid !== newSet?.metadata.uid && ownedBy(all, set.metadata.uid).some(pod => !isTerminal(pod)),
  )
}

/** Deletes the oldest revisions beyond the history limit, as long as nothing of them is left. */
export async function cleanUp({ cluster, deployment, oldSets }: View): Promise<void> {
  const { revisionHistoryLimit: limit = 10 } = deployment.spec
  const present = oldSets.filter(set => !isTerminating(set))
  if (limit === unlimited || present.length <= limit) return
  const oldestFirst = [...present].sort((a, b) => revisionOf(a) - revisionOf(b))
  for (const set of oldestFirst.slice(0, present.length - limit)) {
    const observed = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0)
    if (replicasOf(set) !== 0 || (set.status?.replicas ?? 0) !== 0 || !observed) continue
    await cluster.client.delete(replicaSets, nameOf(set)).catch(ignoreNotFound)
  }
}
