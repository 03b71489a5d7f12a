/** Removing pods that nothing else will remove, telling why in their status. */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf } from '../../runtime/apply.ts'
import { setCondition } from '../../runtime/conditions.ts'
import type { Cluster } from '../../runtime/operator.ts'
import { isTerminal } from '../../runtime/pods.ts'

export interface Disruption {
  readonly reason: 'DeletionByPodGC' | 'DeletionByTaintManager'
  readonly message: string
}

/** Writes the DisruptionTarget condition, and the phase Failed where `fail` is set and the pod has not ended. */
export async function markDisrupted(
  pod: Pod,
  why: Disruption,
  fail: boolean,
  { client, clock }: Cluster,
): Promise<void> {
  const condition = { type: 'DisruptionTarget', status: 'True', ...why }
  const conditions = setCondition(pod.status?.conditions, condition, clock.now())
  const phase = fail && !isTerminal(pod) ? { phase: 'Failed' } : {}
  const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions, ...phase } }
  await client.patch(pods, nameOf(pod), patch, { type: 'strategic', subresource: 'status' }).catch(ignoreNotFound)
}

/** Deletes the pod at once: no node is there to end it. */
export async function removeAtOnce(pod: Pod, why: Disruption | undefined, cluster: Cluster): Promise<void> {
  if (why && !isTerminal(pod)) await markDisrupted(pod, why, true, cluster)
  await deleteIfPresent(cluster.client, pods, pod, { gracePeriodSeconds: 0 })
}
