/** The taints a node's conditions call for (upstream node_lifecycle_controller.go). */
import type { Taint } from '../../../bootstrap/api/types.gen.ts'
import type { Node } from '../../../bootstrap/client/resources.ts'
import { findCondition } from '../../runtime/conditions.ts'
import { timestamp } from '../../runtime/time.ts'

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const unschedulable = 'node.kubernetes.io/unschedulable'

const byCondition: readonly { readonly condition: string; readonly status: string; readonly key: string }[] = [
  { condition: 'Ready', status: 'False', key: notReady },
  { condition: 'Ready', status: 'Unknown', key: unreachable },
  { condition: 'MemoryPressure', status: 'True', key: 'node.kubernetes.io/memory-pressure' },
  { condition: 'DiskPressure', status: 'True', key: 'node.kubernetes.io/disk-pressure' },
  { condition: 'PIDPressure', status: 'True', key: 'node.kubernetes.io/pid-pressure' },
  { condition: 'NetworkUnavailable', status: 'True', key: 'node.kubernetes.io/network-unavailable' },
]

/**
 * The node's taints, with those that follow from its conditions. Pods are driven out only when `evict` is set: where no
 * node is ready, the fault is more likely on this side.
 */
export function taintsOf(node: Node, evict: boolean, now: number): readonly Taint[] {
  const wanted = [...scheduling(node), ...(evict ? execution(node) : [])]
  const isWanted = (taint: Taint) => wanted.some(other => same(taint, other))
  const present = node.spec.taints ?? []
  const kept = present.filter(taint => !isOurs(taint) || isWanted(taint))
  const added = wanted.filter(taint => !present.some(other => same(taint, other)))
  return [...kept, ...added.map(taint => ({ ...taint, timeAdded: timestamp(now) }))]
}

function scheduling(node: Node): readonly Taint[] {
  const matching = byCondition.filter(
    ({ condition, status }) => findCondition(node.status?.conditions, condition)?.status === status,
  )
  const keys = [...matching.map(({ key }) => key), ...(node.spec.unschedulable ? [unschedulable] : [])]
  return keys.map(key => ({ key, effect: 'NoSchedule' }))
}

function execution(node: Node): readonly Taint[] {
  const status = findCondition(node.status?.conditions, 'Ready')?.status
  if (status === 'False') return [{ key: notReady, effect: 'NoExecute' }]
  return status === 'Unknown' ? [{ key: unreachable, effect: 'NoExecute' }] : []
}

function isOurs({ key, effect }: Taint): boolean {
  if (effect === 'NoExecute') return key === notReady || key === unreachable
  return effect === 'NoSchedule' && (key === unschedulable || byCondition.some(other => other.key === key))
}

const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect
