/** The numbers in a DaemonSet's status. */
import type { DaemonSet } from '../../../../bootstrap/client/resources.ts'
import { isAvailable, isReady } from '../../../runtime/pods.ts'
import { nonZero } from '../replica-status.ts'
import { fitOn } from './placement.ts'
import { isCurrent, oldestFirst, type Situation } from './rollout.ts'

export function daemonSetStatus({ set, nodes, podsOn, hash, now }: Situation): NonNullable<DaemonSet['status']> {
  let [desired, scheduled, misscheduled, ready, available, updated] = [0, 0, 0, 0, 0, 0]
  for (const node of nodes) {
    const [oldest] = [...(podsOn.get(node.metadata.name ?? '') ?? [])].sort(oldestFirst)
    if (!fitOn(set, node).run) {
      if (oldest) misscheduled++
      continue
    }
    desired++
    if (!oldest) continue
    scheduled++
    if (isReady(oldest)) ready++
    if (isAvailable(oldest, set.spec.minReadySeconds ?? 0, now)) available++
    if (isCurrent(oldest, hash)) updated++
  }
  return {
    currentNumberScheduled: scheduled,
    desiredNumberScheduled: desired,
    numberMisscheduled: misscheduled,
    numberReady: ready,
    numberAvailable: nonZero(available),
    numberUnavailable: nonZero(desired - available),
    updatedNumberScheduled: nonZero(updated),
    observedGeneration: set.metadata.generation,
    collisionCount: set.status?.collisionCount,
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  }
}
