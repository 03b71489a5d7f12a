/** Which pods go first when a controller has too many (upstream ActivePodsWithRanks). */
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { findCondition } from '../../runtime/conditions.ts'
import { isReady, maxRestarts } from '../../runtime/pods.ts'
import { millis } from '../../runtime/time.ts'

const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost'
const phaseOrder: { readonly [phase: string]: number } = { Pending: 0, Unknown: 1, Running: 2 }

/**
 * The pods in the order of their deletion: not yet assigned, pending, not ready, cheap, doubled up on a node with related
 * pods, ready for a short time, restarting often, young.
 */
export function inDeletionOrder(pods: readonly Pod[], related: readonly Pod[], now: number): readonly Pod[] {
  const perNode = new Map<string, number>()
  for (const pod of related) perNode.set(nodeOf(pod), (perNode.get(nodeOf(pod)) ?? 0) + 1)
  const compare = (a: Pod, b: Pod): number =>
    (a.spec.nodeName ? 1 : 0) - (b.spec.nodeName ? 1 : 0) ||
    phase(a) - phase(b) ||
    (isReady(a) ? 1 : 0) - (isReady(b) ? 1 : 0) ||
    cost(a) - cost(b) ||
    (perNode.get(nodeOf(b)) ?? 0) - (perNode.get(nodeOf(a)) ?? 0) ||
    (isReady(a) ? ageRank(readySince(a), now) - ageRank(readySince(b), now) : 0) ||
    maxRestarts(b) - maxRestarts(a) ||
    ageRank(millis(a.metadata.creationTimestamp), now) - ageRank(millis(b.metadata.creationTimestamp), now) ||
    ((a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1)
  return [...pods].sort(compare)
}

const nodeOf = (pod: Pod) => pod.spec.nodeName ?? ''
const phase = (pod: Pod) => phaseOrder[pod.status?.phase ?? 'Pending'] ?? 0
const readySince = (pod: Pod) => millis(findCondition(pod.status?.conditions, 'Ready')?.lastTransitionTime)

function cost(pod: Pod): number {
  const value = Number(pod.metadata.annotations?.[costAnnotation] ?? 0)
  return Number.isInteger(value) ? value : 0
}

/** Ages count by their order of magnitude, so that among pods of about one age chance decides. */
function ageRank(since: number, now: number): number {
  const age = (now - since) * 1e6
  return age > 0 ? Math.floor(Math.log2(age)) : -1
}
