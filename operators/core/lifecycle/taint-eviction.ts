/** Deletes pods that do not tolerate a NoExecute taint, or no longer (upstream pkg/controller/tainteviction). */
import { keyOf, type ObjectKey } from '../../../bootstrap/api/object.ts'
import { tolerates } from '../../../bootstrap/api/tolerations.ts'
import type { Taint } from '../../../bootstrap/api/types.gen.ts'
import { nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../bootstrap/client/same.ts'
import { deleteIfPresent } from '../../runtime/apply.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isTerminal, isTerminating } from '../../runtime/pods.ts'
import { millis } from '../../runtime/time.ts'
import { byNode, indexByNode } from './by-node.ts'
import { markDisrupted } from './disruption.ts'

export function taintEvictionController(): Operator {
  const scheduled = new Set<ObjectKey>()
  return {
    name: 'taint-eviction-controller',
    watches: [
      on(pods, (pod, old, change) => {
        const same = change === 'updated' && pod.spec.nodeName === old?.spec.nodeName
        return same && sameJson(pod.spec.tolerations, old?.spec.tolerations) ? undefined : keyOf(pod)
      }),
      on(nodes, (node, old, change, { informers }) => {
        const before = change === 'updated' ? executing(old?.spec.taints) : []
        const changed = change !== 'deleted' && !sameJson(executing(node.spec.taints), before)
        return changed ? byNode(informers, node.metadata.name ?? '').map(keyOf) : undefined
      }),
    ],
    setup({ informers }) {
      indexByNode(informers)
    },
    reconcile: (key, cluster) => reconcile(key, cluster, scheduled),
  }
}

const executing = (taints: readonly Taint[] | undefined) => (taints ?? []).filter(taint => taint.effect === 'NoExecute')

async function reconcile(key: ObjectKey, cluster: Cluster, scheduled: Set<ObjectKey>): Promise<Result> {
  const { client, clock, events, informers } = cluster
  const pod = informers.get(pods).get(key)
  const node = informers.get(nodes).get(pod?.spec.nodeName ?? '')
  if (!pod || !node || isTerminating(pod) || isTerminal(pod)) {
    scheduled.delete(key)
    return done
  }
  const at = evictionTime(pod, executing(node.spec.taints), clock.now())
  if (at === undefined) {
    if (scheduled.delete(key)) events.event(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${key}`)
    return done
  }
  if (at > clock.now()) {
    scheduled.add(key)
    return { requeueAfterMs: at - clock.now() }
  }
  scheduled.delete(key)
  events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${key}`)
  const message = 'Taint manager: deleting due to NoExecute taint'
  await markDisrupted(pod, { reason: 'DeletionByTaintManager', message }, false, cluster)
  await deleteIfPresent(client, pods, pod)
  return done
}

/** When the pod must go, in milliseconds since the epoch; undefined when it may stay. */
function evictionTime(pod: Pod, taints: readonly Taint[], now: number): number | undefined {
  let earliest: number | undefined
  for (const taint of taints) {
    const tolerating = (pod.spec.tolerations ?? []).filter(toleration => tolerates(toleration, taint))
    if (tolerating.length === 0) return now
    const limits = tolerating.map(toleration => toleration.tolerationSeconds).filter(limit => limit !== undefined)
    if (limits.length === 0) continue
    const start = millis(taint.timeAdded) || now
    const end = start + Math.max(0, Math.min(...limits)) * 1000
    earliest = Math.min(earliest ?? end, end)
  }
  return earliest
}
