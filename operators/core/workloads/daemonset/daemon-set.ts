/** Runs one pod of each DaemonSet on every node it fits (upstream pkg/controller/daemon). */

import { ignoreNotFound, isNotFound } from '../../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { isEmptySelector } from '../../../../bootstrap/api/selectors.ts'
import {
  type ControllerRevision,
  controllerRevisions,
  type DaemonSet,
  daemonSets,
  type Node,
  nodes,
  type Pod,
  pods,
} from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { updateStatus } from '../../../runtime/apply.ts'
import { Expectations } from '../../../runtime/expectations.ts'
import { isNamespaceTerminating } from '../../../runtime/failures.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { indexOwners, isTerminating, orphansIn, ownedBy, podsOf } from '../../../runtime/pods.ts'
import { claim } from '../claims.ts'
import { createPod, deletePod, podFrom, slowStart } from '../pod-control.ts'
import { onOwnPods, ownerKey } from '../pod-events.ts'
import { laterAvailable } from '../replica-set.ts'
import { revisionLabel, revisionsOf } from '../revisions.ts'
import { FailureBackoff } from './failure-backoff.ts'
import { nodeOf, specOn } from './placement.ts'
import { placementSteps, rolloutSteps, type Situation, type Steps } from './rollout.ts'
import { daemonSetStatus } from './status.ts'

const burst = 250
const generationLabel = 'pod-template-generation'
const generationAnnotation = 'deprecated.daemonset.template.generation'

export function daemonSetController(): Operator {
  const memory: Memory = { expectations: new Expectations(), failures: new FailureBackoff() }
  const { expectations } = memory
  return {
    name: 'daemonset-controller',
    watches: [
      on(daemonSets, set => keyOf(set)),
      on(controllerRevisions, revision => ownerKey(daemonSets, revision)),
      on(nodes, (node, old, change, { informers }) =>
        change === 'updated' && old && !placementChanged(node, old) ? [] : informers.get(daemonSets).list().map(keyOf),
      ),
      onOwnPods(daemonSets, set => set.spec.selector, expectations),
    ],
    concurrency: 2,
    setup({ informers }) {
      podsOf(informers)
      indexOwners(informers.get(controllerRevisions))
    },
    reconcile: (key, cluster) => reconcile(key, cluster, memory),
  }
}

/** What the controller knows beside the cache. */
interface Memory {
  readonly expectations: Expectations
  readonly failures: FailureBackoff
}

function placementChanged(node: Node, old: Node): boolean {
  return !sameJson(node.metadata.labels, old.metadata.labels) || !sameJson(node.spec.taints, old.spec.taints)
}

async function reconcile(key: ObjectKey, cluster: Cluster, { expectations, failures }: Memory): Promise<Result> {
  const { clock, events, informers } = cluster
  const set = informers.get(daemonSets).get(key)
  if (!set) {
    expectations.forget(key)
    return done
  }
  if (isEmptySelector(set.spec.selector)) {
    const message = 'This daemon set is selecting all pods. A non-empty selector is required.'
    events.event(set, 'Warning', 'SelectingAll', message)
    return done
  }
  if (isTerminating(set)) return done
  const owned = await claimedPods(set, cluster)
  const hash = await currentHash(set, owned, cluster)
  const podsOn = Map.groupBy(owned, nodeOf)
  const situation: Situation = { set, nodes: informers.get(nodes).list(), podsOn, hash, now: clock.now() }
  let failure: unknown
  let backoffMs = 0
  if (expectations.satisfied(key, clock.now())) {
    const steps = placementSteps(situation)
    const { due, waitMs } = failures.due(set.metadata.uid ?? '', steps.failed, clock.now())
    backoffMs = waitMs
    const early = new Set(steps.failed.filter(pod => !due.includes(pod)))
    const remove = steps.remove.filter(pod => !early.has(pod))
    failure = await carryOut(key, set, { ...steps, remove, failed: due }, hash, cluster, expectations)
    if (failure === undefined && expectations.satisfied(key, clock.now()))
      failure = await carryOut(key, set, rolloutSteps(situation), hash, cluster, expectations)
  }
  await report(set, situation, cluster)
  if (failure !== undefined) throw failure
  const later = laterAvailable(owned, set.spec.minReadySeconds ?? 0, clock.now())
  return backoffMs > 0 ? { requeueAfterMs: Math.min(backoffMs, later.requeueAfterMs ?? backoffMs) } : later
}

async function currentHash(set: DaemonSet, owned: readonly Pod[], cluster: Cluster): Promise<string> {
  const live = new Set(owned.map(pod => pod.metadata.labels?.[revisionLabel]))
  const none = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 }
  const history = {
    owner: set,
    resource: daemonSets,
    selector: set.spec.selector,
    template: set.spec.template,
    hashLabel: revisionLabel,
    limit: set.spec.revisionHistoryLimit ?? 10,
    isLive: (revision: ControllerRevision) => live.has(revision.metadata.labels?.[revisionLabel]),
    collisionCount: set.status?.collisionCount,
    collide: (collisionCount: number) =>
      updateStatus(cluster.client, daemonSets, set, { ...none, ...set.status, collisionCount }),
  }
  const { latest } = await revisionsOf(history, cluster)
  return latest.metadata.labels?.[revisionLabel] ?? ''
}

function claimedPods(owner: DaemonSet, { client, informers }: Cluster): Promise<readonly Pod[]> {
  const all = podsOf(informers)
  const { uid, namespace = '' } = owner.metadata
  return claim({
    client,
    owner,
    ownerResource: daemonSets,
    selector: owner.spec.selector,
    resource: pods,
    candidates: [...ownedBy(all, uid), ...orphansIn(all, namespace)],
  })
}

/** Makes and deletes the pods; returns the first failure. */
async function carryOut(
  key: ObjectKey,
  set: DaemonSet,
  steps: Steps,
  hash: string,
  cluster: Cluster,
  expectations: Expectations,
): Promise<unknown> {
  for (const pod of steps.failed) announce(set, pod, 'Warning', 'FailedDaemonPod', 'failed', 'kill', cluster)
  for (const pod of steps.succeeded) announce(set, pod, 'Normal', 'SucceededDaemonPod', 'succeeded', 'delete', cluster)
  const created = await create(key, set, steps.create.slice(0, burst), hash, cluster, expectations)
  const doomed = [...new Set(steps.remove)].slice(0, burst)
  return (await remove(key, set, doomed, cluster, expectations)) ?? created
}

function announce(
  set: DaemonSet,
  pod: Pod,
  type: 'Normal' | 'Warning',
  reason: string,
  state: string,
  action: string,
  { events }: Cluster,
): void {
  const { name, namespace } = pod.metadata
  const message = `Found ${state} daemon pod ${namespace}/${name} on node ${pod.spec.nodeName ?? ''}, will try to ${action} it`
  events.event(set, type, reason, message)
}

async function create(
  key: ObjectKey,
  set: DaemonSet,
  targets: readonly string[],
  hash: string,
  cluster: Cluster,
  expectations: Expectations,
): Promise<unknown> {
  expectations.expectCreations(key, targets.length, cluster.clock.now())
  const { succeeded, error } = await slowStart(targets.length, async index => {
    try {
      await createPod(cluster, podOn(set, targets[index] ?? '', hash), set)
    } catch (failure) {
      if (!isNamespaceTerminating(failure)) throw failure
      expectations.creationSeen(key)
    }
  })
  for (let lost = succeeded; lost < targets.length; lost++) expectations.creationSeen(key)
  return error
}

function podOn(set: DaemonSet, node: string, hash: string): Pod {
  const pod = podFrom(set.spec.template, set)
  const generation = set.metadata.annotations?.[generationAnnotation]
  const labels = {
    ...pod.metadata.labels,
    [revisionLabel]: hash,
    ...(generation === undefined ? {} : { [generationLabel]: generation }),
  }
  return { ...pod, metadata: { ...pod.metadata, labels }, spec: specOn(pod.spec, node) }
}

async function remove(
  key: ObjectKey,
  set: DaemonSet,
  doomed: readonly Pod[],
  cluster: Cluster,
  expectations: Expectations,
): Promise<unknown> {
  const uids = doomed.map(pod => pod.metadata.uid ?? '')
  expectations.expectDeletions(
    key,
    doomed.filter(pod => !isTerminating(pod)).map(pod => pod.metadata.uid ?? ''),
    cluster.clock.now(),
  )
  const results = await Promise.allSettled(doomed.map(pod => deletePod(cluster, pod, set)))
  let failure: unknown
  results.forEach((result, index) => {
    if (result.status === 'fulfilled') return
    expectations.deletionSeen(key, uids[index] ?? '')
    if (!isNotFound(result.reason)) failure ??= result.reason
  })
  return failure
}

async function report(set: DaemonSet, situation: Situation, { client }: Cluster): Promise<void> {
  await updateStatus(client, daemonSets, set, daemonSetStatus(situation)).catch(ignoreNotFound)
}
