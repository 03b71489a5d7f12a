/**
 * Ours: an eviction that is refused shows as an event of the Plan whose pod drains, since nobody looks into the log of a drain
 * that does not end. The account of upgrades may read Plans and write events, as upstream's may.
 */
import { isStatusError } from '../../../bootstrap/api/errors.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import type { Clock } from '../../../bootstrap/client/clock.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { createEventRecorder } from '../../runtime/events.ts'
import { plans } from '../plan.ts'
import { defaultController } from '../round.ts'

export interface Drainer {
  readonly client: Client
  readonly clock: Clock
  readonly namespace: string
  readonly node: string
  /** The Plan's name; without it nobody is told. */
  readonly plan: string | undefined
}

/** Told of each refusal, it records the first for each pod. */
export function refusalTeller({ client, clock, namespace, node, plan: name }: Drainer) {
  const told = new Set<string | undefined>()
  const recorder = createEventRecorder({ client, clock, log: { debug: () => {} }, component: defaultController })
  return (pod: Pod, refusal: Error): void => {
    if (name === undefined || told.has(pod.metadata.uid)) return
    told.add(pod.metadata.uid)
    const title = `pod ${pod.metadata.namespace}/${pod.metadata.name}`
    const text = `Node ${node} is not drained yet, ${title} has to stay for now: ${refusal.message}${causesOf(refusal)}`
    client.get(plans, { name, namespace }).then(
      plan => recorder.event(plan, 'Warning', 'DrainWaiting', text),
      () => {},
    )
  }
}

/** A budget's name and figures are in the details. */
function causesOf(refusal: Error): string {
  if (!isStatusError(refusal)) return ''
  const causes = refusal.status.details?.causes ?? []
  return causes.map(({ message = '' }) => ` ${message}.`).join('')
}
