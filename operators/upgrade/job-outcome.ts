/** Where a plan's Job is in its life, and what it has to say when it failed. */
import type { ContainerStatus } from '../../bootstrap/api/types.gen.ts'
import { type Job, type Node, type Pod, pods } from '../../bootstrap/client/resources.ts'
import { findCondition } from '../runtime/conditions.ts'
import type { Cluster } from '../runtime/operator.ts'
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

const longestDetail = 300

/** Ours: what the pods of a failed Job say about it, e.g. the last lines of the container that ended it. */
export async function failureDetail(job: Job, { client }: Cluster): Promise<string | undefined> {
  const { namespace = '', uid = '' } = job.metadata
  const selector = `batch.kubernetes.io/controller-uid=${uid}`
  const found = await client.list(pods, { namespace, labelSelector: selector }).catch(() => undefined)
  const newest = [...(found?.items ?? [])].sort(
    (a, b) => millis(b.metadata.creationTimestamp) - millis(a.metadata.creationTimestamp),
  )
  for (const pod of newest) {
    const text = podTrouble(pod)
    if (text !== undefined) return text
  }
  return undefined
}

/** Ours: a node that went silent cannot say more of its Job, e.g. when the new version does not start there. */
export function nodeTrouble({ status }: Node): string | undefined {
  const ready = findCondition(status?.conditions, 'Ready')
  if (!ready || ready.status === 'True') return undefined
  return `the node is NotReady: ${oneLine(ready.message ?? ready.reason ?? '')}`
}

function podTrouble({ status }: Pod): string | undefined {
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  for (const each of containers) {
    const text = containerTrouble(each)
    if (text !== undefined) return text
  }
  const scheduled = findCondition(status?.conditions, 'PodScheduled')
  return scheduled?.status === 'False' ? oneLine(scheduled.message ?? '') : undefined
}

function containerTrouble({ name, state }: ContainerStatus): string | undefined {
  const { terminated, waiting } = state ?? {}
  if (terminated && terminated.exitCode !== 0) {
    const said = oneLine(terminated.message ?? '')
    return `container ${name} ended with ${terminated.exitCode}${said === '' ? '' : `: ${said}`}`
  }
  if (waiting?.reason === undefined || waiting.reason === 'PodInitializing') return undefined
  const why = oneLine(waiting.message ?? '')
  return `container ${name}: ${waiting.reason}${why === '' ? '' : `: ${why}`}`
}

/** The end of a text says more than its beginning. */
function oneLine(text: string): string {
  const joined = text
    .trim()
    .split(/\s*\n\s*/)
    .join('; ')
  return joined.length > longestDetail ? `...${joined.slice(-longestDetail)}` : joined
}
