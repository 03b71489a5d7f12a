/** Where a HelmChart's Job is in its life. */
import type { Job } from '../../bootstrap/client/resources.ts'
import { isTrue } from '../runtime/conditions.ts'
import { millis } from '../runtime/time.ts'

export type JobState =
  | { readonly kind: 'absent' }
  /** Created, and not seen by the Job controller yet. */
  | { readonly kind: 'new' }
  /** Made suspended and seen by the Job controller; it has never run. */
  | { readonly kind: 'ready' }
  /** It has pods, or may be about to have some. */
  | { readonly kind: 'running' }
  /** Stopped on the way: no pods are left. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'complete' | 'failed'; readonly at: number }

export function jobState(job: Job | undefined): JobState {
  if (!job) return { kind: 'absent' }
  const { conditions = [], active = 0, terminating = 0 } = job.status ?? {}
  for (const { type, status, lastTransitionTime } of conditions)
    if (status === 'True' && (type === 'Complete' || type === 'Failed'))
      return { kind: type === 'Complete' ? 'complete' : 'failed', at: millis(lastTransitionTime) }
  const suspended = job.spec.suspend === true
  if (suspended && isTrue(conditions, 'Suspended') && active + terminating === 0)
    return { kind: (job.metadata.generation ?? 1) === 1 ? 'ready' : 'stopped' }
  return { kind: suspended && conditions.length === 0 && active === 0 ? 'new' : 'running' }
}

/** Whether the Job can be deleted without a pod of it running on. */
export function isReplaceable({ kind }: JobState): boolean {
  return kind === 'ready' || kind === 'stopped' || kind === 'complete' || kind === 'failed'
}
