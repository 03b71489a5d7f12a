/** Finding and making the ReplicaSet of the current template, and numbering revisions (upstream getNewReplicaSet). */

import { isAlreadyExists } from '../../../../bootstrap/api/errors.ts'
import { controllerOf, draftOf } from '../../../../bootstrap/api/object.ts'
import { type Deployment, deployments, type ReplicaSet, replicaSets } from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { controllerReference, nameOf } from '../../../runtime/apply.ts'
import { findCondition } from '../../../runtime/conditions.ts'
import { isNamespaceTerminating } from '../../../runtime/failures.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import { sameTemplate, templateHash, templateHashLabel } from '../template-hash.ts'
import { newSetAnnotations, revisionAnnotation, revisionOf, sizeAnnotations } from './annotations.ts'
import { hasDeadline, withCondition } from './progress.ts'
import { byAge, newSetSize, type View } from './view.ts'

/** Splits the Deployment's sets and brings the revision of the new one up to date; makes it when `create` is set. */
export async function revised(
  cluster: Cluster,
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  create: boolean,
): Promise<View> {
  const sorted = [...sets].sort(byAge)
  const found = sorted.find(set => sameTemplate(set.spec.template ?? {}, deployment.spec.template))
  const oldSets = sorted.filter(set => set !== found)
  const revision = Math.max(0, ...oldSets.map(revisionOf)) + 1
  if (found) return adopted(cluster, deployment, found, oldSets, revision)
  if (!create) return { cluster, deployment, newSet: undefined, oldSets }
  return made(cluster, deployment, oldSets, revision)
}

async function adopted(
  cluster: Cluster,
  deployment: Deployment,
  found: ReplicaSet,
  oldSets: readonly ReplicaSet[],
  revision: number,
): Promise<View> {
  const next = draftOf(found)
  next.metadata.annotations = newSetAnnotations(deployment, found.metadata.annotations ?? {}, revision)
  if ((next.spec.minReadySeconds ?? 0) !== (deployment.spec.minReadySeconds ?? 0))
    next.spec.minReadySeconds = deployment.spec.minReadySeconds
  const newSet = sameJson(next, found) ? found : await cluster.client.update(replicaSets, next)
  const known = findCondition(deployment.status?.conditions, 'Progressing')
  const message = `Found new replica set "${found.metadata.name}"`
  const progress = known || !hasDeadline(deployment) ? undefined : { reason: 'FoundNewReplicaSet', message }
  return { cluster, deployment: await recorded(cluster, deployment, newSet, progress), newSet, oldSets }
}

async function made(
  cluster: Cluster,
  deployment: Deployment,
  oldSets: readonly ReplicaSet[],
  revision: number,
): Promise<View> {
  const desired = newReplicaSet(deployment, oldSets, revision)
  const name = desired.metadata.name ?? ''
  let newSet: ReplicaSet
  let progress: { reason: string; message: string } | undefined
  try {
    newSet = await cluster.client.create(replicaSets, desired)
    if (hasDeadline(deployment))
      progress = { reason: 'NewReplicaSetCreated', message: `Created new replica set "${name}"` }
    const size = newSet.spec.replicas ?? 0
    const message = `Scaled up replica set ${name} from 0 to ${size}`
    if (size > 0) cluster.events.event(deployment, 'Normal', 'ScalingReplicaSet', message)
  } catch (error) {
    if (isAlreadyExists(error)) newSet = await existing(cluster, deployment, desired)
    else {
      if (!isNamespaceTerminating(error)) await failed(cluster, deployment, name, error as Error)
      throw error
    }
  }
  return { cluster, deployment: await recorded(cluster, deployment, newSet, progress), newSet, oldSets }
}

function newReplicaSet(deployment: Deployment, oldSets: readonly ReplicaSet[], revision: number): ReplicaSet {
  const hash = templateHash(deployment.spec.template, deployment.status?.collisionCount)
  const template = draftOf(deployment.spec.template)
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash }
  const { matchLabels, ...selector } = deployment.spec.selector
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: { ...newSetAnnotations(deployment, {}, revision), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas: newSetSize(deployment, oldSets, 0),
      ...(deployment.spec.minReadySeconds ? { minReadySeconds: deployment.spec.minReadySeconds } : {}),
      selector: { ...selector, matchLabels: { ...matchLabels, [templateHashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  }
}

/** A set of that name is there: ours after all (the cache lags), or one of another template with the same hash. */
async function existing(cluster: Cluster, deployment: Deployment, desired: ReplicaSet): Promise<ReplicaSet> {
  const found = await cluster.client.get(replicaSets, nameOf(desired))
  const ours = controllerOf(found)?.uid === deployment.metadata.uid
  if (ours && sameTemplate(found.spec.template ?? {}, deployment.spec.template)) return found
  const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
  await cluster.client.update(deployments, { ...deployment, status }, { subresource: 'status' })
  throw new Error(`hash collision: replica set ${desired.metadata.name} belongs to another template`)
}

async function failed(cluster: Cluster, deployment: Deployment, name: string, error: Error): Promise<void> {
  const message = `Failed to create new replica set "${name}": ${error.message}`
  const condition = { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError', message }
  const conditions = withCondition(deployment.status?.conditions, condition, cluster.clock.now())
  const status = { ...deployment.status, conditions }
  cluster.events.event(deployment, 'Warning', 'ReplicaSetCreateError', message)
  await cluster.client.update(deployments, { ...deployment, status }, { subresource: 'status' }).catch(() => {})
}

/** Writes the revision, and what happened to the new set, on the Deployment. */
async function recorded(
  cluster: Cluster,
  deployment: Deployment,
  newSet: ReplicaSet,
  progress: { reason: string; message: string } | undefined,
): Promise<Deployment> {
  const revision = newSet.metadata.annotations?.[revisionAnnotation]
  const numbered = revision === undefined || deployment.metadata.annotations?.[revisionAnnotation] === revision
  if (numbered && !progress) return deployment
  const next = draftOf(deployment)
  if (!numbered) next.metadata.annotations = { ...next.metadata.annotations, [revisionAnnotation]: revision }
  if (progress) {
    const condition = { type: 'Progressing', status: 'True', ...progress }
    const conditions = withCondition(deployment.status?.conditions, condition, cluster.clock.now())
    next.status = { ...next.status, conditions: draftOf(conditions) }
  }
  return cluster.client.update(deployments, next, { subresource: 'status' })
}
