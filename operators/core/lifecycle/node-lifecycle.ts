/** Notices nodes that have fallen silent, and taints nodes by their conditions (upstream pkg/controller/nodelifecycle). */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { keyOf } from '../../../bootstrap/api/object.ts'
import { parseDuration } from '../../../bootstrap/api/time.ts'
import type { NodeCondition } from '../../../bootstrap/api/types.gen.ts'
import { leases, type Node, nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { nameOf } from '../../runtime/apply.ts'
import { findCondition, isTrue } from '../../runtime/conditions.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isReady } from '../../runtime/pods.ts'
import { millis, timestamp } from '../../runtime/time.ts'
import { byNode, indexByNode } from './by-node.ts'
import { taintsOf } from './node-taints.ts'

const leaseNamespace = 'kube-node-lease'

export interface NodeMonitorSettings {
  /** How long a node may be silent. */
  readonly graceMs: number
  /** The same for a node that has never reported. */
  readonly startGraceMs: number
}

/** kube-controller-manager's. */
const defaults: NodeMonitorSettings = { graceMs: 50_000, startGraceMs: 60_000 }
const settingNames = { 'node-monitor-grace-period': 'graceMs', 'node-startup-grace-period': 'startGraceMs' } as const

/** From "name=value" or "--name=value" arguments; others are left to others. Throws for a value that is no duration. */
export function nodeMonitorSettings(args: readonly string[]): NodeMonitorSettings {
  const settings: { -readonly [name in keyof NodeMonitorSettings]: number } = { ...defaults }
  for (const arg of args) {
    const [, name = '', value = ''] = /^(?:--)?(node-(?:monitor|startup)-grace-period)=(.*)$/.exec(arg) ?? []
    if (name === '') continue
    const ms = parseDuration(value)
    if (ms === undefined || ms <= 0) throw new Error(`invalid ${arg}: want a duration such as 50s`)
    settings[settingNames[name as keyof typeof settingNames]] = ms
  }
  return settings
}

const reported = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

export function nodeLifecycleController(settings = defaults): Operator {
  const monitor = new NodeMonitor(settings)
  return {
    name: 'node-lifecycle-controller',
    watches: [
      on(nodes, (node, old, change, cluster) => {
        monitor.heard(node, old, change === 'deleted', cluster.clock.now())
        const readiness = (object: Node | undefined) => object && isTrue(object.status?.conditions, 'Ready')
        const others = change === 'updated' && readiness(node) === readiness(old)
        return others ? keyOf(node) : [keyOf(node), ...cluster.informers.get(nodes).list().map(keyOf)]
      }),
      on(leases, (lease, old, change, { clock }) => {
        const { name = '', namespace } = lease.metadata
        if (namespace !== leaseNamespace || change === 'deleted') return undefined
        if (lease.spec.renewTime === old?.spec.renewTime) return undefined
        monitor.renewed(name, clock.now())
        return undefined
      }),
      on(pods, () => undefined),
    ],
    setup({ informers }) {
      indexByNode(informers)
    },
    reconcile: (name, cluster) => monitor.reconcile(name, cluster),
  }
}

class NodeMonitor {
  readonly #settings: NodeMonitorSettings
  /** When each node last gave a sign of life, by this process' clock: the nodes' own may be wrong. */
  readonly #heard = new Map<string, number>()

  constructor(settings: NodeMonitorSettings) {
    this.#settings = settings
  }

  heard(node: Node, old: Node | undefined, deleted: boolean, now: number): void {
    const { name = '' } = node.metadata
    if (deleted) this.#heard.delete(name)
    else if (!old || heartbeat(node) !== heartbeat(old)) this.#heard.set(name, now)
  }

  renewed(name: string, now: number): void {
    this.#heard.set(name, now)
  }

  async reconcile(name: string, cluster: Cluster): Promise<Result> {
    const node = cluster.informers.get(nodes).get(name)
    if (!node) return done
    const now = cluster.clock.now()
    const { graceMs, startGraceMs } = this.#settings
    const grace = heartbeat(node) === undefined ? startGraceMs : graceMs
    const left = (this.#heard.get(name) ?? now) + grace - now
    if (!this.#heard.has(name)) this.#heard.set(name, now)
    const silent = left <= 0
    if (silent && !isUnknown(node)) {
      await markUnknown(node, cluster)
      return { requeueAfterMs: graceMs }
    }
    await taint(node, cluster)
    await followReadiness(node, cluster)
    return { requeueAfterMs: silent ? graceMs : left }
  }
}

const heartbeat = (node: Node) => findCondition(node.status?.conditions, 'Ready')?.lastHeartbeatTime
const isUnknown = (node: Node) => findCondition(node.status?.conditions, 'Ready')?.status === 'Unknown'

async function markUnknown(node: Node, { client, clock, events }: Cluster): Promise<void> {
  const now = timestamp(clock.now())
  const conditions: NodeCondition[] = (node.status?.conditions ?? []).map(condition =>
    reported.includes(condition.type) && condition.status !== 'Unknown'
      ? {
          ...condition,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        }
      : condition,
  )
  for (const type of reported)
    if (!findCondition(conditions, type))
      conditions.push({
        type,
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
        lastTransitionTime: now,
      })
  await client.update(nodes, { ...node, status: { ...node.status, conditions } }, { subresource: 'status' })
  if (isTrue(node.status?.conditions, 'Ready'))
    events.event(node, 'Normal', 'NodeNotReady', `Node ${node.metadata.name} status is now: NodeNotReady`)
}

async function taint(node: Node, { client, clock, informers }: Cluster): Promise<void> {
  const evict = informers
    .get(nodes)
    .list()
    .some(other => isTrue(other.status?.conditions, 'Ready'))
  const taints = taintsOf(node, evict, clock.now())
  if (sameJson(taints, node.spec.taints ?? [])) return
  await client.update(nodes, { ...node, spec: { ...node.spec, taints } })
}

/** Pods on a node that is not ready are not ready either, whatever they last said. */
async function followReadiness(node: Node, cluster: Cluster): Promise<void> {
  const ready = findCondition(node.status?.conditions, 'Ready')
  if (!ready || ready.status === 'True' || millis(ready.lastTransitionTime) === 0) return
  for (const pod of byNode(cluster.informers, node.metadata.name ?? ''))
    if (isReady(pod)) await markNotReady(pod, cluster)
}

async function markNotReady(pod: Pod, { client, clock, events }: Cluster): Promise<void> {
  const condition = { type: 'Ready', status: 'False', lastTransitionTime: timestamp(clock.now()) }
  const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } }
  events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
  await client.patch(pods, nameOf(pod), patch, { type: 'strategic', subresource: 'status' }).catch(ignoreNotFound)
}
