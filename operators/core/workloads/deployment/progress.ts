/** The status of a Deployment and its conditions (upstream deployment/progress.go, util/deployment_util.go). */
import type { DeploymentCondition, DeploymentStatus } from '../../../../bootstrap/api/types.gen.ts'
import type { Deployment } from '../../../../bootstrap/client/resources.ts'
import { findCondition, withoutCondition } from '../../../runtime/conditions.ts'
import { millis, timestamp } from '../../../runtime/time.ts'
import { nonZero } from '../replica-status.ts'
import { allSets, availableTotal, fenceposts, replicasOf, unlimited, type View } from './view.ts'

type Conditions = readonly DeploymentCondition[] | undefined

const availableReason = 'NewReplicaSetAvailable'
const timedOutReason = 'ProgressDeadlineExceeded'

export function hasDeadline(deployment: Deployment): boolean {
  const { progressDeadlineSeconds = unlimited } = deployment.spec
  return progressDeadlineSeconds !== unlimited
}

/** Sets a condition unless one with this status and reason is there; a same status keeps its transition time. */
export function withCondition(
  conditions: Conditions,
  next: { type: string; status: string; reason: string; message: string },
  now: number,
): readonly DeploymentCondition[] {
  const old = findCondition(conditions, next.type)
  if (old && old.status === next.status && old.reason === next.reason) return conditions ?? []
  const time = timestamp(now)
  const lastTransitionTime = old?.status === next.status ? old.lastTransitionTime : time
  return [...withoutCondition(conditions, next.type), { ...next, lastUpdateTime: time, lastTransitionTime }]
}

/** The counts and the Available condition as the sets are now. */
export function countedStatus(view: View): DeploymentStatus {
  const { deployment, newSet, cluster } = view
  const sets = allSets(view)
  const sum = (count: (status: NonNullable<(typeof sets)[number]['status']>) => number | undefined) =>
    sets.reduce((total, set) => total + (set.status ? (count(set.status) ?? 0) : 0), 0)
  const available = availableTotal(sets)
  const total = sum(status => status.replicas)
  const enough = available >= replicasOf(deployment) - fenceposts(deployment).unavailable
  const condition = enough
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
  const told = sets.every(set => set.status?.terminatingReplicas !== undefined)
  return {
    observedGeneration: deployment.metadata.generation,
    replicas: nonZero(total),
    updatedReplicas: nonZero(newSet?.status?.replicas ?? 0),
    readyReplicas: nonZero(sum(status => status.readyReplicas)),
    availableReplicas: nonZero(available),
    unavailableReplicas: nonZero(Math.max(0, total - available)),
    ...(told ? { terminatingReplicas: sum(status => status.terminatingReplicas) } : {}),
    collisionCount: deployment.status?.collisionCount,
    conditions: withCondition(deployment.status?.conditions, condition, cluster.clock.now()),
  }
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = replicasOf(deployment)
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

/** The counted status with the Progressing and ReplicaFailure conditions of a rollout. */
export function rolloutStatus(view: View): DeploymentStatus {
  const { deployment } = view
  const status = countedStatus(view)
  const progressed = hasDeadline(deployment)
    ? progressing(view, status)
    : withoutCondition(status.conditions, 'Progressing')
  return { ...status, conditions: withFailure(view, progressed) }
}

function progressing(view: View, status: DeploymentStatus): readonly DeploymentCondition[] {
  const { deployment, newSet, cluster } = view
  const conditions = status.conditions ?? []
  const current = findCondition(conditions, 'Progressing')
  const settled = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) && current?.reason === availableReason
  if (settled) return conditions
  const now = cluster.clock.now()
  const subject = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  const type = 'Progressing'
  if (isComplete(deployment, status)) {
    const message = `${subject} has successfully progressed.`
    return withCondition(conditions, { type, status: 'True', reason: availableReason, message }, now)
  }
  if (hasProgressed(deployment.status ?? {}, status)) {
    const message = `${subject} is progressing.`
    const next = { type, status: 'True', reason: 'ReplicaSetUpdated', message }
    if (!current) return withCondition(conditions, next, now)
    const lastTransitionTime = current.status === 'True' ? current.lastTransitionTime : timestamp(now)
    const stamped = { ...next, lastUpdateTime: timestamp(now), lastTransitionTime }
    return [...withoutCondition(conditions, type), stamped]
  }
  if (isTimedOut(deployment, status, now)) {
    const message = `${subject} has timed out progressing.`
    return withCondition(conditions, { type, status: 'False', reason: timedOutReason, message }, now)
  }
  return conditions
}

function hasProgressed(old: DeploymentStatus, next: DeploymentStatus): boolean {
  const updated = (status: DeploymentStatus) => status.updatedReplicas ?? 0
  const outdated = (status: DeploymentStatus) => (status.replicas ?? 0) - updated(status)
  return (
    updated(next) > updated(old) ||
    outdated(next) < outdated(old) ||
    (next.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (next.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  )
}

function isTimedOut(deployment: Deployment, status: DeploymentStatus, now: number): boolean {
  const condition = findCondition(status.conditions, 'Progressing')
  if (!condition || condition.reason === availableReason) return false
  if (condition.reason === timedOutReason) return true
  return now > millis(condition.lastUpdateTime) + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000
}

/** Milliseconds after which a rollout that stands still must be looked at again; undefined when it need not. */
export function deadlineInMs(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const condition = findCondition(status.conditions, 'Progressing')
  if (!hasDeadline(deployment) || !condition) return undefined
  if (condition.reason === timedOutReason || isComplete(deployment, status)) return undefined
  const { progressDeadlineSeconds = 0 } = deployment.spec
  return Math.max(0, millis(condition.lastUpdateTime) + progressDeadlineSeconds * 1000 - now) + 1000
}

function withFailure({ newSet, oldSets }: View, conditions: readonly DeploymentCondition[]): Conditions {
  const sets = newSet ? [newSet, ...oldSets] : oldSets
  const failures = sets.map(set => findCondition(set.status?.conditions, 'ReplicaFailure'))
  const failure = failures.find(condition => condition !== undefined)
  const rest = withoutCondition(conditions, 'ReplicaFailure')
  if (!failure) return rest
  const { type, status, reason, message, lastTransitionTime } = failure
  const known = findCondition(conditions, 'ReplicaFailure')
  if (known && known.status === status && known.reason === reason) return conditions
  return [...rest, { type, status, reason, message, lastTransitionTime, lastUpdateTime: lastTransitionTime }]
}

/** Marks a paused or resumed Deployment, so that a pause never counts against its deadline. */
export function pauseCondition(deployment: Deployment, now: number): Conditions | 'unchanged' {
  if (!hasDeadline(deployment)) return 'unchanged'
  const conditions = deployment.status?.conditions
  const current = findCondition(conditions, 'Progressing')
  if (current?.reason === timedOutReason) return 'unchanged'
  const paused = current?.reason === 'DeploymentPaused'
  if (paused === (deployment.spec.paused ?? false)) return 'unchanged'
  const next = paused
    ? { reason: 'DeploymentResumed', message: 'Deployment is resumed' }
    : { reason: 'DeploymentPaused', message: 'Deployment is paused' }
  return withCondition(conditions, { type: 'Progressing', status: 'Unknown', ...next }, now)
}
