/** The Jobs a CronJob makes. */
import { draftOf } from '../../../../bootstrap/api/object.ts'
import { timeZone, utc, zonedTimestamp } from '../../../../bootstrap/api/time-zone.ts'
import type { ObjectReference } from '../../../../bootstrap/api/types.gen.ts'
import type { CronJob, Job } from '../../../../bootstrap/client/resources.ts'
import { controllerReference } from '../../../runtime/apply.ts'
import { millis } from '../../../runtime/time.ts'

const scheduledAnnotation = 'batch.kubernetes.io/cronjob-scheduled-timestamp'

/** One name for each minute, so that no time is served twice. */
export function jobName(cronJob: CronJob, scheduled: number): string {
  return `${cronJob.metadata.name}-${Math.floor(scheduled / 60_000)}`
}

/** The Job for a scheduled time (milliseconds since the epoch), which its annotation tells in the CronJob's own zone. */
export function jobFor(cronJob: CronJob, scheduled: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate
  const zone = timeZone(cronJob.spec.timeZone ?? utc.name) ?? utc
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: jobName(cronJob, scheduled),
      namespace: cronJob.metadata.namespace,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      annotations: { ...metadata?.annotations, [scheduledAnnotation]: zonedTimestamp(scheduled, zone) },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: draftOf(spec ?? { template: {} }),
  }
}

export function referenceTo({ metadata }: Job): ObjectReference {
  const { name, namespace, uid, resourceVersion } = metadata
  return { apiVersion: 'batch/v1', kind: 'Job', namespace, name, uid, resourceVersion }
}

/** How the Job ended; undefined while it runs. */
export function outcomeOf(job: Job): 'Complete' | 'Failed' | undefined {
  const ended = (job.status?.conditions ?? []).filter(({ status }) => status === 'True').map(({ type }) => type)
  return (['Complete', 'Failed'] as const).find(type => ended.includes(type))
}

/** Ended Jobs beyond what the history keeps, oldest first. */
export function surplus(
  jobs: readonly Job[],
  outcome: 'Complete' | 'Failed',
  limit: number | undefined,
): readonly Job[] {
  if (limit === undefined) return []
  const ended = jobs.filter(job => outcomeOf(job) === outcome).sort(byStart)
  return ended.slice(0, Math.max(0, ended.length - limit))
}

/** By start time, those that never started last; names decide between equals. */
function byStart(a: Job, b: Job): number {
  const started = (job: Job) => (job.status?.startTime === undefined ? Number.MAX_VALUE : millis(job.status.startTime))
  return started(a) - started(b) || ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)
}
