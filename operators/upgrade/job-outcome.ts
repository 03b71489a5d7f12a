/** Where a plan's Job is in its life. */
import type { Job, Node } from '../../bootstrap/client/resources.ts'
import { findCondition } from '../runtime/conditions.ts'
import { millis } from '../runtime/time.ts'
import { annotation, label } from './plan.ts'

export type Outcome =
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'complete'; readonly at: number }
  | { readonly kind: 'failed'; readonly at: number; readonly reason: string; readonly message: string }

export function outcomeOf({ status }: Job): Outcome {
  const ended = (type: string) => {
    const condition = findCondition(status?.conditions, type)
    return condition?.status === 'True' ? condition : undefined
  }
  // Decided, but a pod of it has not ended: on a node that went silent it never will, and nobody is to wait for that.
  const failed = ended('Failed') ?? ended('FailureTarget')
  if (failed) {
    const { reason = '', message = '', lastTransitionTime } = failed
    return { kind: 'failed', at: millis(lastTransitionTime), reason, message }
  }
  const complete = ended('Complete')
  return complete ? { kind: 'complete', at: millis(complete.lastTransitionTime) } : { kind: 'unfinished' }
}

/** How long (ms) a finished Job is kept from now on; 0 when its time is over. */
export function keptFor(job: Job, endedAt: number, now: number): number {
  const seconds = job.spec.ttlSecondsAfterFinished ?? Number(job.metadata.annotations?.[annotation.ttl] ?? 0)
  return Number.isFinite(seconds) ? Math.max(0, endedAt + seconds * 1000 - now) : 0
}

/** Upstream's sentence on a failed Job. */
export function failureText(
  job: Job,
  { reason, message }: { readonly reason: string; readonly message: string },
): string {
  const { namespace, name, labels = {} } = job.metadata
  return `Job ${namespace}/${name} failed on Node ${labels[label.node]}: ${reason}: ${message}`
}

/** Ours: what holds a Job up, of its pods and of its node; undefined when nothing does. */
export function troubleText(job: Job, ofPods: string | undefined, node: Node | undefined): string | undefined {
  const troubles = [ofPods, node && nodeTrouble(node)].filter(text => text !== undefined)
  return troubles.length === 0 ? undefined : `on Node ${job.metadata.labels?.[label.node]}: ${troubles.join('; ')}`
}

/** Ours: a node that went silent cannot say more of its Job, e.g. when the new version does not start there. */
export function nodeTrouble({ status }: Node): string | undefined {
  const ready = findCondition(status?.conditions, 'Ready')
  if (!ready || ready.status === 'True') return undefined
  return `the node is NotReady: ${ready.message ?? ready.reason ?? ''}`
}
