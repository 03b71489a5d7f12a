/**
 * kube-scheduler's work: pods without a node get one, the most important first. Everything is driven by events; a pod that
 * fits nowhere waits until a node, a pod or a volume changes.
 */
import { isConflict, isNotFound } from '../../../bootstrap/api/errors.ts'
import type { Draft } from '../../../bootstrap/api/object.ts'
import type { PodCondition } from '../../../bootstrap/api/types.gen.ts'
import {
  namespaces,
  nodes,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  persistentVolumes,
  podDisruptionBudgets,
  pods,
  storageClasses,
} from '../../../bootstrap/client/resources.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isTerminal } from '../../runtime/pods.ts'
import { timestamp } from '../../runtime/time.ts'
import { type Choice, chooseNode } from './choose.ts'
import { ClusterState } from './cluster-state.ts'
import type { NodeInfo } from './node-info.ts'
import type { Plugin } from './plugin.ts'
import { interPodAffinity } from './plugins/affinity.ts'
import { nodePorts } from './plugins/node-ports.ts'
import { nodeAffinity, nodeUnschedulable, taintToleration } from './plugins/node-rules.ts'
import { balancedAllocation, resourcesFit } from './plugins/resources.ts'
import { topologySpread } from './plugins/topology-spread.ts'
import { claimNames, type VolumeReader, volumeBinding } from './plugins/volumes.ts'
import { findPreemption } from './preempt.ts'

const schedulerName = 'default-scheduler'
/** All pods go through one key: the queue's order is ours (priority first), not the work queue's. */
const queueKey = 'queue'
const selectedNode = 'volume.kubernetes.io/selected-node'

export function schedulerOperator(): Operator {
  return new Scheduler()
}

class Scheduler implements Operator {
  readonly name = schedulerName
  readonly concurrency = 1
  readonly #state = new ClusterState()
  /** Pods without a node, by key. */
  readonly #pending = new Map<string, Pod>()
  /** Pods that fitted nowhere; they stay out until something changes. */
  readonly #parked = new Set<string>()
  /** Parked ones that only failed for a moment, e.g. because a write was refused. */
  readonly #failed = new Set<string>()
  #plugins: readonly Plugin[] = []

  readonly watches = [
    on(pods, (pod, _, change) => this.#podChanged(pod, change === 'deleted')),
    on(nodes, (node, _, change) => {
      if (change === 'deleted') this.#state.removeNode(node.metadata.name!)
      else this.#state.setNode(node)
      return this.#retryAll()
    }),
    on(persistentVolumes, () => this.#retryAll()),
    on(persistentVolumeClaims, () => this.#retryAll()),
    on(storageClasses, () => this.#retryAll()),
    // Read while scheduling, and so to be known before the first pod.
    on(namespaces, () => undefined),
    on(podDisruptionBudgets, () => undefined),
  ]

  setup({ informers }: Cluster): void {
    const [claims, volumes, classes] = [
      informers.get(persistentVolumeClaims),
      informers.get(persistentVolumes),
      informers.get(storageClasses),
    ]
    const reader: VolumeReader = {
      claim: (namespace, name) => claims.get(`${namespace}/${name}`),
      volume: name => volumes.get(name),
      volumes: () => volumes.list(),
      storageClass: name => classes.get(name),
    }
    const spaces = informers.get(namespaces)
    const namespaceLabels = (name: string) => spaces.get(name)?.metadata.labels ?? {}
    this.#plugins = [
      nodeUnschedulable,
      taintToleration,
      nodeAffinity,
      nodePorts,
      resourcesFit,
      volumeBinding(reader),
      topologySpread,
      interPodAffinity(namespaceLabels),
      balancedAllocation,
    ]
  }

  async reconcile(_: string, cluster: Cluster): Promise<Result> {
    for (const key of this.#failed) this.#parked.delete(key)
    this.#failed.clear()
    let failure: unknown
    for (let pod = this.#next(); pod !== undefined; pod = this.#next()) {
      const key = keyOf(pod)
      try {
        await this.#schedule(pod, cluster)
      } catch (error) {
        // The others go first; this one has its turn again when the whole queue is retried, after a pause.
        this.#parked.add(key)
        this.#failed.add(key)
        if (isNotFound(error)) this.#pending.delete(key)
        else failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return done
  }

  #podChanged(pod: Pod, deleted: boolean): string | undefined {
    const key = keyOf(pod)
    const ours = (pod.spec.schedulerName ?? schedulerName) === schedulerName
    const waiting = !deleted && !pod.spec.nodeName && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined
    if (waiting && ours && (pod.spec.schedulingGates ?? []).length === 0) {
      const known = this.#pending.get(key)
      this.#pending.set(key, pod)
      // Our own report about the pod is no reason to try it again.
      const changed = known === undefined || known.metadata.generation !== pod.metadata.generation
      if (changed) this.#parked.delete(key)
      return changed ? queueKey : undefined
    }
    this.#pending.delete(key)
    this.#parked.delete(key)
    if (deleted) this.#state.removePod(pod.metadata.uid!)
    else this.#state.setPod(pod)
    return deleted || isTerminal(pod) ? this.#retryAll() : undefined
  }

  #retryAll(): string | undefined {
    this.#parked.clear()
    return this.#pending.size > 0 ? queueKey : undefined
  }

  /** The most important pod that is not parked; among equals the oldest. */
  #next(): Pod | undefined {
    let first: Pod | undefined
    for (const [key, pod] of this.#pending)
      if (!this.#parked.has(key) && (first === undefined || comesBefore(pod, first))) first = pod
    return first
  }

  async #schedule(pod: Pod, cluster: Cluster): Promise<void> {
    const choice = chooseNode(pod, this.#state, this.#plugins, cluster.random)
    if (choice.kind === 'node') await this.#bind(pod, choice.node, cluster)
    else await this.#park(pod, choice, cluster)
  }

  async #bind(pod: Pod, node: NodeInfo, cluster: Cluster): Promise<void> {
    const { name = '', namespace, uid } = pod.metadata
    const key = keyOf(pod)
    if (await this.#awaitVolumes(pod, node, cluster)) {
      this.#parked.add(key)
      return
    }
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node.name },
    }
    this.#state.setPod(pod, node.name)
    this.#pending.delete(key)
    try {
      await cluster.client.create(pods, binding as unknown as Pod, { subresource: 'binding', name })
    } catch (error) {
      this.#state.removePod(uid!)
      if (isNotFound(error) || isConflict(error)) return
      this.#pending.set(key, pod)
      throw error
    }
    cluster.events.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${node.name}`)
  }

  /** Tells the volume operators where the pod will run; true while one of its claims is not bound yet. */
  async #awaitVolumes(pod: Pod, node: NodeInfo, { client, informers }: Cluster): Promise<boolean> {
    const namespace = pod.metadata.namespace!
    const claims = claimNames(pod).map(name => informers.get(persistentVolumeClaims).get(`${namespace}/${name}`))
    const unbound = claims.filter(
      (claim): claim is PersistentVolumeClaim => claim !== undefined && !claim.spec.volumeName,
    )
    for (const claim of unbound) {
      if (claim.metadata.annotations?.[selectedNode] === node.name) continue
      const patch = { metadata: { annotations: { [selectedNode]: node.name } } }
      await client.patch(persistentVolumeClaims, { name: claim.metadata.name!, namespace }, patch, { type: 'merge' })
    }
    return unbound.length > 0
  }

  async #park(pod: Pod, choice: Choice & { kind: 'none' }, cluster: Cluster): Promise<void> {
    this.#parked.add(keyOf(pod))
    const budgets = cluster.informers.get(podDisruptionBudgets).list()
    const preemption = findPreemption(pod, choice.resolvable, this.#state, this.#plugins, budgets)
    const message = unschedulableMessage(choice)
    cluster.events.event(pod, 'Warning', 'FailedScheduling', message)
    await this.#report(pod, message, preemption?.node.name, cluster)
    for (const victim of preemption?.victims ?? []) await this.#evict(victim, pod, cluster)
  }

  async #evict(victim: Pod, pod: Pod, { client, events, clock }: Cluster): Promise<void> {
    const { name = '', namespace } = victim.metadata
    if (victim.metadata.deletionTimestamp !== undefined) return
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: `${schedulerName}: preempting to accommodate a higher priority pod`,
      lastTransitionTime: timestamp(clock.now()),
    }
    await client.patch(
      pods,
      { name, namespace },
      { status: { conditions: [condition] } },
      { type: 'strategic', subresource: 'status' },
    )
    await client.delete(pods, { name, namespace })
    events.event(victim, 'Normal', 'Preempted', `Preempted by pod ${pod.metadata.uid} on node ${victim.spec.nodeName}`)
  }

  /** Condition PodScheduled=False with the reason, and the node the pod hopes for. */
  async #report(pod: Pod, message: string, nominated: string | undefined, { client, clock }: Cluster): Promise<void> {
    const known = pod.status?.conditions?.find(condition => condition.type === 'PodScheduled')
    if (known?.status === 'False' && known.message === message && pod.status?.nominatedNodeName === nominated) return
    const condition: Draft<PodCondition> = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : timestamp(clock.now()),
    }
    const status = { conditions: [condition], ...(nominated === undefined ? {} : { nominatedNodeName: nominated }) }
    const { name = '', namespace } = pod.metadata
    await client.patch(pods, { name, namespace }, { status }, { type: 'strategic', subresource: 'status' })
  }
}

const keyOf = (pod: Pod): string => `${pod.metadata.namespace}/${pod.metadata.name}`

function comesBefore(a: Pod, b: Pod): boolean {
  const [first, second] = [a.spec.priority ?? 0, b.spec.priority ?? 0]
  if (first !== second) return first > second
  return (a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '')
}

/** "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. ..." */
export function unschedulableMessage({ reasons, total, resolvable }: Choice & { kind: 'none' }): string {
  if (total === 0) return 'no nodes available to schedule pods'
  const preemption =
    resolvable.length > 0
      ? `${resolvable.length} No preemption victims found for incoming pod`
      : `${total} Preemption is not helpful for scheduling`
  return `0/${total} nodes are available: ${reasons.join(', ')}. no new claims to deallocate, preemption: 0/${total} nodes are available: ${preemption}.`
}
