/** Rolls out Deployments through ReplicaSets, one per pod template (upstream pkg/controller/deployment). */
import { isNotFound } from '../../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { isEmptySelector, selects } from '../../../../bootstrap/api/selectors.ts'
import {
  type Deployment,
  deployments,
  type Pod,
  pods,
  type ReplicaSet,
  replicaSets,
} from '../../../../bootstrap/client/resources.ts'
import { updateStatus } from '../../../runtime/apply.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { indexOwners, isTerminating, orphansIn, ownedBy, podsOf } from '../../../runtime/pods.ts'
import { claim } from '../claims.ts'
import { ownerKey } from '../pod-events.ts'
import { revised } from './new-set.ts'
import { countedStatus, deadlineInMs, isComplete, pauseCondition, rolloutStatus } from './progress.ts'
import { isScaling, resizeNewSet, scale } from './sizes.ts'
import { cleanUp, oldPodsRun, roll, stopOldSets } from './strategies.ts'
import { isRolling, type View } from './view.ts'

export function deploymentController(): Operator {
  return {
    name: 'deployment-controller',
    watches: [
      on(deployments, object => keyOf(object)),
      on(replicaSets, (set, old, _, cluster) => deploymentsOf(set, old, cluster)),
      on(pods, (pod, _, change, cluster) => (change === 'deleted' ? recreated(pod, cluster) : undefined)),
    ],
    concurrency: 5,
    setup({ informers }) {
      podsOf(informers)
      indexOwners(informers.get(replicaSets))
    },
    reconcile,
  }
}

function deploymentsOf(set: ReplicaSet, old: ReplicaSet | undefined, { informers }: Cluster): readonly ObjectKey[] {
  const owner = ownerKey(deployments, set)
  const before = old && ownerKey(deployments, old)
  const owners = [...new Set([owner, before].filter(key => key !== undefined))]
  if (owner !== undefined) return owners
  const selecting = informers
    .get(deployments)
    .list(set.metadata.namespace)
    .filter(deployment => selects(deployment.spec.selector, set.metadata.labels))
  return [...owners, ...selecting.map(keyOf)]
}

/** The end of a pod matters to a Deployment that waits for the old ones to stop. */
function recreated(pod: Pod, { informers }: Cluster): ObjectKey | undefined {
  const setKey = ownerKey(replicaSets, pod)
  const set = setKey === undefined ? undefined : informers.get(replicaSets).get(setKey)
  const key = set && ownerKey(deployments, set)
  const deployment = key === undefined ? undefined : informers.get(deployments).get(key)
  return deployment && !isRolling(deployment) ? key : undefined
}

async function reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
  const found = cluster.informers.get(deployments).get(key)
  if (!found) return done
  if (isEmptySelector(found.spec.selector)) return selectsEverything(found, cluster)
  const sets = await claimedSets(found, cluster)
  if (isTerminating(found)) {
    await report(await revised(cluster, found, sets, false), countedStatus)
    return done
  }
  const deployment = await withPause(found, cluster)
  if (deployment.spec.paused) return paused(await revised(cluster, deployment, sets, false))
  const view = await revised(cluster, deployment, sets, false)
  if (isScaling(view)) {
    await scale(view)
    await report(view, countedStatus)
    return done
  }
  return isRolling(deployment) ? rollingUpdate(view, sets) : recreate(view, sets)
}

async function rollingUpdate(found: View, sets: readonly ReplicaSet[]): Promise<Result> {
  const view = found.newSet ? found : await revised(found.cluster, found.deployment, sets, true)
  const changed = await roll(view)
  if (!changed && isComplete(view.deployment, view.deployment.status ?? {})) await cleanUp(view)
  return finish(view)
}

async function recreate(found: View, sets: readonly ReplicaSet[]): Promise<Result> {
  if ((await stopOldSets(found)) || oldPodsRun(found, sets)) return finish(found)
  const view = found.newSet ? found : await revised(found.cluster, found.deployment, sets, true)
  await resizeNewSet(view)
  if (isComplete(view.deployment, view.deployment.status ?? {})) await cleanUp(view)
  return finish(view)
}

async function paused(view: View): Promise<Result> {
  await scale(view)
  await cleanUp(view)
  await report(view, countedStatus)
  return done
}

async function finish(view: View): Promise<Result> {
  const deployment = await report(view, rolloutStatus)
  const wait = deadlineInMs(deployment, deployment.status ?? {}, view.cluster.clock.now())
  return wait === undefined ? done : { requeueAfterMs: wait }
}

async function report(view: View, status: (view: View) => Deployment['status']): Promise<Deployment> {
  const { client } = view.cluster
  try {
    return await updateStatus(client, deployments, view.deployment, status(view))
  } catch (error) {
    if (isNotFound(error)) return view.deployment
    throw error
  }
}

async function withPause(deployment: Deployment, { client, clock }: Cluster): Promise<Deployment> {
  const conditions = pauseCondition(deployment, clock.now())
  if (conditions === 'unchanged') return deployment
  return updateStatus(client, deployments, deployment, { ...deployment.status, conditions })
}

async function selectsEverything(deployment: Deployment, { client, events }: Cluster): Promise<Result> {
  const message = 'This deployment is selecting all pods. A non-empty selector is required.'
  events.event(deployment, 'Warning', 'SelectingAll', message)
  const observedGeneration = deployment.metadata.generation
  await updateStatus(client, deployments, deployment, { ...deployment.status, observedGeneration })
  return done
}

function claimedSets(owner: Deployment, { client, informers }: Cluster): Promise<readonly ReplicaSet[]> {
  const all = informers.get(replicaSets)
  const { uid, namespace = '' } = owner.metadata
  return claim({
    client,
    owner,
    ownerResource: deployments,
    selector: owner.spec.selector,
    resource: replicaSets,
    candidates: [...ownedBy(all, uid), ...orphansIn(all, namespace)],
  })
}
