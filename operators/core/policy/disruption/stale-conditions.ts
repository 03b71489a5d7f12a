/** Takes back the announcement of a disruption that never came (upstream disruption.go, syncStalePodDisruption). */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import { keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import { type Pod, pods } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { findCondition } from '../../../runtime/conditions.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { isTerminal, isTerminating } from '../../../runtime/pods.ts'
import { millis, timestamp } from '../../../runtime/time.ts'

const type = 'DisruptionTarget'
const staleAfterMs = 120_000

export function staleDisruptions(): Operator {
  return {
    name: 'disruption-stale-pods',
    watches: [on(pods, (pod, _old, change) => (change !== 'deleted' && announced(pod) ? keyOf(pod) : undefined))],
    reconcile,
  }
}

/** When the pod was said to be disrupted, if nothing has come of it; what the kubelet says stands. */
function announced(pod: Pod): string | undefined {
  if (isTerminating(pod) || isTerminal(pod)) return undefined
  const condition = findCondition(pod.status?.conditions, type)
  if (condition?.status !== 'True' || condition.reason === 'TerminationByKubelet') return undefined
  return condition.lastTransitionTime ?? ''
}

async function reconcile(key: ObjectKey, { client, clock, informers }: Cluster): Promise<Result> {
  const pod = informers.get(pods).get(key)
  const since = pod && announced(pod)
  if (!pod || since === undefined) return done
  const now = clock.now()
  const remaining = since === '' ? 0 : millis(since) + staleAfterMs - now
  if (remaining > 0) return { requeueAfterMs: remaining }
  const condition = { type, status: 'False', reason: null, message: null, lastTransitionTime: timestamp(now) }
  const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } }
  await client.patch(pods, nameOf(pod), patch, { type: 'strategic', subresource: 'status' }).catch(ignoreNotFound)
  return done
}
