/** A Deployment with its ReplicaSets, and the numbers every strategy computes from them. */
import type { Deployment, ReplicaSet } from '../../../../bootstrap/client/resources.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import { millis } from '../../../runtime/time.ts'
import { scaled } from '../percent.ts'

export interface View {
  readonly cluster: Cluster
  readonly deployment: Deployment
  /** The ReplicaSet of the current template, if it exists. */
  readonly newSet: ReplicaSet | undefined
  /** All others, oldest first. */
  readonly oldSets: readonly ReplicaSet[]
}

export const unlimited = 2 ** 31 - 1

export const allSets = ({ newSet, oldSets }: Pick<View, 'newSet' | 'oldSets'>): readonly ReplicaSet[] =>
  newSet ? [...oldSets, newSet] : oldSets

export const replicasOf = (object: { spec: { replicas?: number | undefined } }): number => object.spec.replicas ?? 1

export const specTotal = (sets: readonly ReplicaSet[]): number => sets.reduce((sum, set) => sum + replicasOf(set), 0)

export const availableTotal = (sets: readonly ReplicaSet[]): number =>
  sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0)

export const isRolling = (deployment: Deployment): boolean => deployment.spec.strategy?.type !== 'Recreate'

/** How many pods a rollout may add and miss. Never both nothing: then one may be missing. */
export function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  if (!isRolling(deployment)) return { surge: 0, unavailable: 0 }
  const replicas = replicasOf(deployment)
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {}
  const surge = scaled(maxSurge, replicas, 'up')
  const unavailable = scaled(maxUnavailable, replicas, 'down')
  return { surge, unavailable: Math.min(surge === 0 && unavailable === 0 ? 1 : unavailable, replicas) }
}

/** The size the new ReplicaSet should have now, within the surge. */
export function newSetSize(deployment: Deployment, sets: readonly ReplicaSet[], current: number): number {
  const wanted = replicasOf(deployment)
  if (!isRolling(deployment)) return wanted
  const room = wanted + fenceposts(deployment).surge - specTotal(sets)
  return room <= 0 ? current : current + Math.min(room, wanted - current)
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const difference = millis(a.metadata.creationTimestamp) - millis(b.metadata.creationTimestamp)
  return difference || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)
}
