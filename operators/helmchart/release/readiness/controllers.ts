/** When the kinds that own pods are ready (kstatus' rules, in its order and words). */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { conditionsOf, current, failed, inProgress, numberOf, objectOf, type Readiness, textOf } from './readiness.ts'

function deployment(object: KubeObject): Readiness {
  const { replicas, progressDeadlineSeconds } = objectOf(object.spec)
  const conditions = conditionsOf(object)
  const progress = conditions.find(({ type }) => type === 'Progressing')
  if (progress?.reason === 'ProgressDeadlineExceeded') return failed('Progress deadline exceeded')
  const wanted = numberOf(replicas, 1)
  const { total, updated, ready, available } = counts(object)
  const short =
    below('Replicas', total, wanted) ??
    below('Updated', updated, wanted) ??
    excess(total, wanted) ??
    below('Available', available, updated) ??
    below('Ready', ready, wanted)
  if (short) return short
  const unwatched = numberOf(progressDeadlineSeconds, 0x7fffffff) === 0x7fffffff
  const progressed = progress?.status === 'True' && progress.reason === 'NewReplicaSetAvailable'
  if (!unwatched && !progressed) return inProgress('ReplicaSet not Available')
  if (!conditions.some(({ type, status }) => type === 'Available' && status === 'True'))
    return inProgress('Deployment not Available')
  return current(`Deployment is available. Replicas: ${total}`)
}

function replicaSet(object: KubeObject): Readiness {
  if (conditionsOf(object).some(({ type, status }) => type === 'ReplicaFailure' && status === 'True'))
    return inProgress('Replica Failure condition. Check Pods')
  const wanted = numberOf(objectOf(object.spec).replicas, 1)
  const { total, ready, available } = counts(object)
  const labelled = numberOf(objectOf(object.status).fullyLabeledReplicas, 0)
  return (
    below('Labelled', labelled, wanted) ??
    below('Available', available, wanted) ??
    below('Ready', ready, wanted) ??
    excess(total, wanted) ??
    current(`ReplicaSet is available. Replicas: ${total}`)
  )
}

function statefulSet(object: KubeObject): Readiness {
  const { replicas, updateStrategy } = objectOf(object.spec)
  const { type, rollingUpdate } = objectOf(updateStrategy)
  if (type === 'OnDelete') return current('StatefulSet is using the ondelete update strategy')
  const wanted = numberOf(replicas, 1)
  const { total, updated, ready } = counts(object)
  const short = below('Replicas', total, wanted) ?? below('Ready', ready, wanted) ?? excess(total, wanted)
  if (short) return short
  const partition = numberOf(objectOf(rollingUpdate).partition, -1)
  if (partition !== -1)
    return below('updated', updated, wanted - partition) ?? current(`Partition rollout complete. updated: ${updated}`)
  const { currentReplicas, currentRevision, updateRevision } = objectOf(object.status)
  const behind = below('current', numberOf(currentReplicas, 0), wanted)
  if (behind) return behind
  return textOf(currentRevision) === textOf(updateRevision)
    ? current(`All replicas scheduled as expected. Replicas: ${total}`)
    : inProgress('Waiting for updated revision to match current')
}

function daemonSet(object: KubeObject): Readiness {
  const status = objectOf(object.status)
  if (object.metadata.generation === undefined) return inProgress('DaemonSet metadata.generation not found')
  if (status.observedGeneration === undefined) return inProgress('DaemonSet status.observedGeneration not found')
  const wanted = numberOf(status.desiredNumberScheduled, -1)
  if (wanted === -1) return inProgress('Missing .status.desiredNumberScheduled')
  return (
    below('Current', numberOf(status.currentNumberScheduled, 0), wanted) ??
    below('Updated', numberOf(status.updatedNumberScheduled, 0), wanted) ??
    below('Available', numberOf(status.numberAvailable, 0), wanted) ??
    below('Ready', numberOf(status.numberReady, 0), wanted) ??
    current(`All replicas scheduled as expected. Replicas: ${wanted}`)
  )
}

function counts(object: KubeObject) {
  const { replicas, updatedReplicas, readyReplicas, availableReplicas } = objectOf(object.status)
  return {
    total: numberOf(replicas, 0),
    updated: numberOf(updatedReplicas, 0),
    ready: numberOf(readyReplicas, 0),
    available: numberOf(availableReplicas, 0),
  }
}

const below = (what: string, are: number, wanted: number) =>
  are < wanted ? inProgress(`${what}: ${are}/${wanted}`) : undefined

const excess = (are: number, wanted: number) =>
  are > wanted ? inProgress(`Pending termination: ${are - wanted}`) : undefined

export const controllers = {
  'apps/Deployment': deployment,
  'apps/ReplicaSet': replicaSet,
  'apps/StatefulSet': statefulSet,
  'apps/DaemonSet': daemonSet,
} as const
