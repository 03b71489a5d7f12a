/** Changing the size of ReplicaSets, one by one or all in proportion (upstream deployment/sync.go). */
import { draftOf } from '../../../../bootstrap/api/object.ts'
import { type ReplicaSet, replicaSets } from '../../../../bootstrap/client/resources.ts'
import { desiredReplicas, maxReplicas, sizeAnnotations } from './annotations.ts'
import { allSets, byAge, fenceposts, isRolling, newSetSize, replicasOf, specTotal, type View } from './view.ts'

/** Sets the size and the size annotations. Returns whether the size changed. */
export async function resize(view: View, set: ReplicaSet, size: number): Promise<boolean> {
  const { cluster, deployment } = view
  const before = replicasOf(set)
  const annotations = { ...set.metadata.annotations, ...sizeAnnotations(deployment) }
  const annotated = Object.entries(annotations).every(([key, value]) => set.metadata.annotations?.[key] === value)
  if (before === size && annotated) return false
  const next = draftOf(set)
  next.spec.replicas = size
  next.metadata.annotations = annotations
  await cluster.client.update(replicaSets, next)
  if (before === size) return false
  const direction = before < size ? 'up' : 'down'
  const message = `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${size}`
  cluster.events.event(deployment, 'Normal', 'ScalingReplicaSet', message)
  return true
}

/** Brings the new set to the size the strategy allows. Returns whether it changed. */
export async function resizeNewSet(view: View): Promise<boolean> {
  const { deployment, newSet } = view
  if (!newSet || replicasOf(newSet) === replicasOf(deployment)) return false
  if (replicasOf(newSet) > replicasOf(deployment)) return resize(view, newSet, replicasOf(deployment))
  const size = newSetSize(deployment, allSets(view), replicasOf(newSet))
  return size === replicasOf(newSet) ? false : resize(view, newSet, size)
}

/** Whether the Deployment's size was changed since its active sets were last scaled. */
export function isScaling({ deployment, ...sets }: View): boolean {
  return allSets(sets).some(set => {
    const desired = desiredReplicas(set)
    return replicasOf(set) > 0 && desired !== undefined && desired !== replicasOf(deployment)
  })
}

/** Spreads a change of the Deployment's size over its sets, so that a rollout in progress keeps its proportions. */
export async function scale(view: View): Promise<void> {
  const { deployment, newSet, oldSets } = view
  const only = onlyActive(view)
  if (only) {
    if (replicasOf(only) !== replicasOf(deployment)) await resize(view, only, replicasOf(deployment))
    return
  }
  if (newSet && isSaturated(view)) {
    for (const old of oldSets) if (replicasOf(old) > 0) await resize(view, old, 0)
    return
  }
  if (!isRolling(deployment)) return
  const active = allSets(view).filter(set => replicasOf(set) > 0)
  for (const [set, size] of proportions(view, active)) await resize(view, set, size)
}

/** The one set with pods, or where none has any the newest. */
function onlyActive(view: View): ReplicaSet | undefined {
  const active = allSets(view).filter(set => replicasOf(set) > 0)
  if (active.length > 1) return undefined
  return active[0] ?? view.newSet ?? view.oldSets.at(-1)
}

function isSaturated({ deployment, newSet }: View): boolean {
  if (!newSet) return false
  const replicas = replicasOf(deployment)
  return (
    replicasOf(newSet) === replicas &&
    desiredReplicas(newSet) === replicas &&
    (newSet.status?.availableReplicas ?? 0) === replicas
  )
}

function proportions({ deployment }: View, active: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const allowed = replicasOf(deployment) > 0 ? replicasOf(deployment) + fenceposts(deployment).surge : 0
  const change = allowed - specTotal(active)
  const newestFirst = change > 0 ? -1 : 1
  const sets = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || newestFirst * byAge(a, b))
  const sizes = new Map<ReplicaSet, number>()
  let given = 0
  for (const set of sets) {
    const share = change === 0 ? 0 : shareOf(set, allowed, deployment.status?.replicas ?? 0, change - given)
    sizes.set(set, replicasOf(set) + share)
    given += share
  }
  const [largest] = sets
  if (largest && change !== 0) sizes.set(largest, Math.max(0, (sizes.get(largest) ?? 0) + change - given))
  return sizes
}

/** What one set gains or loses, at most what is left of the change. */
function shareOf(set: ReplicaSet, allowed: number, fallback: number, left: number): number {
  const before = maxReplicas(set) ?? fallback
  const fraction = allowed === 0 ? -replicasOf(set) : Math.round((replicasOf(set) * allowed) / before) - replicasOf(set)
  return left > 0 ? Math.min(fraction, left) : Math.max(fraction, left)
}
