/** Keeps as many pods running as a ReplicaSet or ReplicationController asks for (upstream pkg/controller/replicaset). */

import { ignoreNotFound, isNotFound } from '../../../bootstrap/api/errors.ts'
import { controllerOf, type KubeObject, keyOf } from '../../../bootstrap/api/object.ts'
import { isEmptySelector } from '../../../bootstrap/api/selectors.ts'
import { type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { updateStatus } from '../../runtime/apply.ts'
import { Expectations } from '../../runtime/expectations.ts'
import { isNamespaceTerminating } from '../../runtime/failures.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import {
  availableInMs,
  indexOwners,
  isActive,
  isTerminal,
  isTerminating,
  orphansIn,
  ownedBy,
  podsOf,
} from '../../runtime/pods.ts'
import { claim } from './claims.ts'
import { inDeletionOrder } from './deletion-order.ts'
import { createPod, deletePod, podFrom, slowStart } from './pod-control.ts'
import { onOwnPods } from './pod-events.ts'
import { type ReplicaKind, type ReplicaSpec, replicaSetKind, replicationControllerKind } from './replica-kinds.ts'
import { type Counted, replicaStatus } from './replica-status.ts'

/** No more than this many pods are made or deleted in one reconcile. */
const burst = 500

export const replicaSetController = (): Operator => replicaController(replicaSetKind)
export const replicationController = (): Operator => replicaController(replicationControllerKind)

function replicaController<T extends KubeObject>(kind: ReplicaKind<T>): Operator {
  const controller = new ReplicaController(kind)
  return {
    name: kind.name,
    watches: [
      on(kind.resource, object => keyOf(object)),
      onOwnPods(kind.resource, owner => kind.specOf(owner).selector, controller.expectations),
    ],
    concurrency: 5,
    setup({ informers }) {
      podsOf(informers)
      indexOwners(informers.get(kind.resource))
    },
    reconcile: (key, cluster) => controller.reconcile(key, cluster),
  }
}

class ReplicaController<T extends KubeObject> {
  readonly expectations = new Expectations()
  readonly #kind: ReplicaKind<T>

  constructor(kind: ReplicaKind<T>) {
    this.#kind = kind
  }

  async reconcile(key: string, cluster: Cluster): Promise<Result> {
    const owner = cluster.informers.get(this.#kind.resource).get(key)
    if (!owner) {
      this.expectations.forget(key)
      return done
    }
    const spec = this.#kind.specOf(owner)
    if (isEmptySelector(spec.selector)) return done
    const current = this.expectations.satisfied(key, cluster.clock.now())
    const owned = await this.#claimed(owner, spec, cluster)
    const active = owned.filter(isActive)
    const failure = current && !isTerminating(owner) ? await this.#manage(key, owner, spec, active, cluster) : undefined
    await this.#report(owner, spec, owned, failure, cluster)
    if (failure) throw failure.error
    return laterAvailable(active, spec.minReadySeconds, cluster.clock.now())
  }

  async #claimed(owner: T, spec: ReplicaSpec, { client, informers }: Cluster): Promise<readonly Pod[]> {
    const all = podsOf(informers)
    const { uid, namespace = '' } = owner.metadata
    const candidates = [...ownedBy(all, uid), ...orphansIn(all, namespace)].filter(pod => !isTerminal(pod))
    return claim({
      client,
      owner,
      ownerResource: this.#kind.resource,
      selector: spec.selector,
      resource: pods,
      candidates,
    })
  }

  async #manage(
    key: string,
    owner: T,
    spec: ReplicaSpec,
    active: readonly Pod[],
    cluster: Cluster,
  ): Promise<Counted['failure']> {
    const missing = spec.replicas - active.length
    if (missing > 0) return this.#create(key, owner, spec, Math.min(missing, burst), cluster)
    if (missing < 0) return this.#delete(key, owner, active, Math.min(-missing, burst), cluster)
    return undefined
  }

  async #create(
    key: string,
    owner: T,
    spec: ReplicaSpec,
    count: number,
    cluster: Cluster,
  ): Promise<Counted['failure']> {
    const pod = podFrom(spec.template, owner)
    this.expectations.expectCreations(key, count, cluster.clock.now())
    const { succeeded, error } = await slowStart(count, async () => {
      try {
        await createPod(cluster, pod, owner)
      } catch (failure) {
        if (!isNamespaceTerminating(failure)) throw failure
        this.expectations.creationSeen(key)
      }
    })
    if (error === undefined) return undefined
    for (let lost = succeeded; lost < count; lost++) this.expectations.creationSeen(key)
    return { reason: 'FailedCreate', error }
  }

  async #delete(
    key: string,
    owner: T,
    active: readonly Pod[],
    count: number,
    cluster: Cluster,
  ): Promise<Counted['failure']> {
    const now = cluster.clock.now()
    const doomed = inDeletionOrder(active, this.#related(owner, cluster), now).slice(0, count)
    const uids = doomed.map(pod => pod.metadata.uid ?? '')
    this.expectations.expectDeletions(key, uids, now)
    const results = await Promise.allSettled(doomed.map(pod => deletePod(cluster, pod, owner)))
    let failure: Counted['failure']
    results.forEach((result, index) => {
      if (result.status === 'fulfilled') return
      this.expectations.deletionSeen(key, uids[index] ?? '')
      if (!isNotFound(result.reason)) failure ??= { reason: 'FailedDelete', error: result.reason }
    })
    return failure
  }

  /** Active pods of this controller and its siblings under the same Deployment. */
  #related(owner: T, { informers }: Cluster): readonly Pod[] {
    const parent = controllerOf(owner)
    const siblings = parent ? ownedBy(informers.get(this.#kind.resource), parent.uid) : [owner]
    const all = podsOf(informers)
    return siblings.flatMap(sibling => ownedBy(all, sibling.metadata.uid)).filter(isActive)
  }

  async #report(
    owner: T,
    spec: ReplicaSpec,
    owned: readonly Pod[],
    failure: Counted['failure'],
    { client, clock }: Cluster,
  ): Promise<void> {
    const terminating = owned.filter(isTerminating).length
    const status = replicaStatus({
      spec,
      old: this.#kind.statusOf(owner),
      generation: owner.metadata.generation,
      active: owned.filter(isActive),
      terminating: this.#kind.countsTerminating ? terminating : undefined,
      failure,
      now: clock.now(),
    })
    await updateStatus(client, this.#kind.resource, owner, status).catch(ignoreNotFound)
  }
}

/** Asks for another look when the next ready pod becomes available. */
export function laterAvailable(active: readonly Pod[], minReadySeconds: number, now: number): Result {
  const waits = active
    .map(pod => availableInMs(pod, minReadySeconds, now))
    .filter(wait => wait !== undefined && wait > 0)
  return waits.length === 0 ? done : { requeueAfterMs: Math.min(...(waits as number[])) }
}
