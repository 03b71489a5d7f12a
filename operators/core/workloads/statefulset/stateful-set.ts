/** Runs pods with lasting names and storage (upstream pkg/controller/statefulset). */
import { ignoreNotFound, isAlreadyExists, isNotFound } from '../../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { isEmptySelector } from '../../../../bootstrap/api/selectors.ts'
import {
  type ControllerRevision,
  controllerRevisions,
  type Pod,
  persistentVolumeClaims,
  pods,
  type StatefulSet,
  statefulSets,
} from '../../../../bootstrap/client/resources.ts'
import { nameOf, updateStatus } from '../../../runtime/apply.ts'
import { Expectations } from '../../../runtime/expectations.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { indexOwners, isTerminating, orphansIn, ownedBy, podsOf } from '../../../runtime/pods.ts'
import { claim } from '../claims.ts'
import { onOwnPods, ownerKey } from '../pod-events.ts'
import { laterAvailable } from '../replica-set.ts'
import { revisionsOf, templateOf } from '../revisions.ts'
import { claimsAt, ordinalOf, podAt } from './identity.ts'
import { nextSteps, revisionOf, type Situation, type Step, statefulSetStatus, staysCurrent } from './next-step.ts'

export function statefulSetController(): Operator {
  return {
    name: 'statefulset-controller',
    watches: [
      on(statefulSets, set => keyOf(set)),
      on(controllerRevisions, revision => ownerKey(statefulSets, revision)),
      on(persistentVolumeClaims, () => undefined),
      onOwnPods(statefulSets, set => set.spec.selector, new Expectations()),
    ],
    concurrency: 5,
    setup({ informers }) {
      podsOf(informers)
      indexOwners(informers.get(controllerRevisions))
    },
    reconcile,
  }
}

async function reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
  const set = cluster.informers.get(statefulSets).get(key)
  if (!set || isEmptySelector(set.spec.selector) || isTerminating(set)) return done
  const owned = await claimedPods(set, cluster)
  const { latest, all } = await revisions(set, owned, cluster)
  const before = all.find(revision => revision.metadata.name === set.status?.currentRevision) ?? latest
  const situation: Situation = {
    set,
    owned,
    current: before.metadata.name ?? '',
    update: latest.metadata.name ?? '',
    now: cluster.clock.now(),
  }
  await report(situation, cluster)
  for (const step of nextSteps(situation)) await take(step, situation, before, latest, cluster)
  return laterAvailable(owned, set.spec.minReadySeconds ?? 0, situation.now)
}

async function claimedPods(owner: StatefulSet, { client, informers }: Cluster): Promise<readonly Pod[]> {
  const all = podsOf(informers)
  const { uid, namespace = '' } = owner.metadata
  const { selector } = owner.spec
  const candidates = [...ownedBy(all, uid), ...orphansIn(all, namespace)].filter(
    pod => ordinalOf(owner, pod) !== undefined,
  )
  return claim({ client, owner, ownerResource: statefulSets, selector, resource: pods, candidates })
}

function revisions(set: StatefulSet, owned: readonly Pod[], cluster: Cluster) {
  const live = new Set([...owned.map(revisionOf), set.status?.currentRevision, set.status?.updateRevision])
  const history = {
    owner: set,
    resource: statefulSets,
    selector: set.spec.selector,
    template: set.spec.template,
    hashLabel: 'controller.kubernetes.io/hash',
    limit: set.spec.revisionHistoryLimit ?? 10,
    isLive: (revision: ControllerRevision) => live.has(revision.metadata.name),
    collisionCount: set.status?.collisionCount || undefined,
    collide: (collisionCount: number) =>
      updateStatus(cluster.client, statefulSets, set, { replicas: 0, ...set.status, collisionCount }),
  }
  return revisionsOf(history, cluster)
}

async function report(situation: Situation, { client }: Cluster): Promise<void> {
  await updateStatus(client, statefulSets, situation.set, statefulSetStatus(situation)).catch(ignoreNotFound)
}

async function take(
  step: Step,
  situation: Situation,
  before: ControllerRevision,
  latest: ControllerRevision,
  cluster: Cluster,
): Promise<void> {
  const { set } = situation
  if (step.type !== 'create') {
    if (step.type === 'replace') announceReplacement(set, step.pod, cluster)
    await remove(set, step.pod, cluster)
    return
  }
  const revision = staysCurrent(situation, step.ordinal) ? before : latest
  const pod = podAt(set, step.ordinal, templateOf(revision), revision.metadata.name ?? '')
  await createClaims(set, step.ordinal, pod, cluster)
  await create(set, pod, cluster)
}

async function create(set: StatefulSet, pod: Pod, { client, events }: Cluster): Promise<void> {
  const subject = `create Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
  try {
    await client.create(pods, pod)
    events.event(set, 'Normal', 'SuccessfulCreate', `${subject} successful`)
  } catch (error) {
    if (isAlreadyExists(error)) return
    events.event(set, 'Warning', 'FailedCreate', `${subject} failed error: ${(error as Error).message}`)
    throw error
  }
}

/** Claims outlive their pods: one that is there is used again. */
async function createClaims(set: StatefulSet, ordinal: number, pod: Pod, cluster: Cluster): Promise<void> {
  const { client, events, informers } = cluster
  for (const { claim: wanted } of claimsAt(set, ordinal)) {
    if (informers.get(persistentVolumeClaims).get(keyOf(wanted))) continue
    const made = await client.create(persistentVolumeClaims, wanted).catch(error => {
      if (!isAlreadyExists(error)) throw error
    })
    const subject = `create Claim ${wanted.metadata.name} Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
    if (made) events.event(set, 'Normal', 'SuccessfulCreate', `${subject} success`)
  }
}

async function remove(set: StatefulSet, pod: Pod, { client, events }: Cluster): Promise<void> {
  const { uid } = pod.metadata
  const subject = `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`
  try {
    await client.delete(pods, nameOf(pod), uid === undefined ? {} : { preconditions: { uid } })
    events.event(set, 'Normal', 'SuccessfulDelete', `${subject} successful`)
  } catch (error) {
    if (isNotFound(error)) return
    events.event(set, 'Warning', 'FailedDelete', `${subject} failed error: ${(error as Error).message}`)
    throw error
  }
}

function announceReplacement(set: StatefulSet, pod: Pod, { events }: Cluster): void {
  const failed = pod.status?.phase === 'Failed'
  const reason = failed ? 'RecreatingFailedPod' : 'RecreatingTerminatedPod'
  const message = `StatefulSet ${set.metadata.namespace}/${set.metadata.name} is recreating ${failed ? 'failed' : 'terminated'} Pod ${pod.metadata.name}`
  events.event(set, failed ? 'Warning' : 'Normal', reason, message)
}
