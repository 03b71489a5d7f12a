/** The status of ReplicaSets and ReplicationControllers (upstream replica_set_utils.go). */

import { selectsMap } from '../../../bootstrap/api/selectors.ts'
import type { ReplicaSetCondition, ReplicaSetStatus } from '../../../bootstrap/api/types.gen.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { setCondition, withoutCondition } from '../../runtime/conditions.ts'
import { isAvailable, isReady } from '../../runtime/pods.ts'
import type { ReplicaSpec } from './replica-kinds.ts'

export interface Counted {
  readonly spec: ReplicaSpec
  readonly old: ReplicaSetStatus | undefined
  readonly generation: number | undefined
  readonly active: readonly Pod[]
  /** Undefined where the kind does not tell. */
  readonly terminating: number | undefined
  readonly failure: { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly error: unknown } | undefined
  readonly now: number
}

const failureType = 'ReplicaFailure'

export function replicaStatus({ spec, old, generation, active, terminating, failure, now }: Counted): ReplicaSetStatus {
  const count = (test: (pod: Pod) => boolean) => nonZero(active.filter(test).length)
  const conditions = conditionsOf(old?.conditions, failure, now)
  return {
    replicas: active.length,
    fullyLabeledReplicas: count(pod => selectsMap(spec.template.metadata?.labels, pod.metadata.labels)),
    readyReplicas: count(isReady),
    availableReplicas: count(pod => isAvailable(pod, spec.minReadySeconds, now)),
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    observedGeneration: generation,
    ...(conditions.length > 0 ? { conditions } : {}),
  }
}

function conditionsOf(
  old: readonly ReplicaSetCondition[] | undefined,
  failure: Counted['failure'],
  now: number,
): readonly ReplicaSetCondition[] {
  if (!failure) return withoutCondition(old, failureType)
  if (old?.some(condition => condition.type === failureType)) return old
  const message = (failure.error as Error).message
  return setCondition(old, { type: failureType, status: 'True', reason: failure.reason, message }, now)
}

/** Counts of zero are left out on the wire. */
export function nonZero(count: number): number | undefined {
  return count === 0 ? undefined : count
}
