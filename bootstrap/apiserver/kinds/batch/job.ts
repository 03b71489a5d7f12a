/** Job: the server writes its selector and the matching labels. */
import type { Draft } from '../../../api/object.ts'
import { humanDuration } from '../../../api/time.ts'
import type { Job, JobSpec } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { fill } from '../common/defaulting.ts'
import { dnsLabel } from '../common/names.ts'
import { defaultPodTemplate } from '../common/pod/defaults.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { templateColumns } from '../common/workload-columns.ts'
import { jobErrors, jobUpdateErrors } from './job-validation.ts'

const prefix = 'batch.kubernetes.io/'
const unlimited = 2 ** 31 - 1

/** Completes what a job template shares with a Job. */
export function defaultJobTemplate(spec: Draft<JobSpec>): void {
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const condition of rule.onPodConditions ?? []) fill(condition, { status: 'True' })
  }
  defaultPodTemplate(spec.template)
}

function defaults(job: Draft<Job>): void {
  const { spec } = job
  if (!spec) return
  if (typeof spec.completions !== 'number' && typeof spec.parallelism !== 'number') spec.completions = 1
  fill(spec, {
    parallelism: 1,
    backoffLimit: typeof spec.backoffLimitPerIndex === 'number' ? unlimited : 6,
    completionMode: 'NonIndexed',
    suspend: false,
    manualSelector: false,
    podReplacementPolicy: spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed',
  })
  const labels = spec.template?.metadata?.labels
  const metadata = (job.metadata ??= {})
  if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels }
  defaultJobTemplate(spec)
}

/** Unless told otherwise a job selects its pods by its own uid. */
function generateSelector({ metadata, spec }: Draft<Job>): void {
  if (!spec || spec.manualSelector || !metadata?.uid) return
  const uid = metadata.uid
  const name = metadata.name ?? ''
  const labels = {
    'controller-uid': uid,
    'job-name': name,
    [`${prefix}controller-uid`]: uid,
    [`${prefix}job-name`]: name,
  }
  const template = (spec.template.metadata ??= {})
  template.labels = { ...labels, ...template.labels }
  spec.selector = { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, [`${prefix}controller-uid`]: uid } }
}

function statusText({ metadata, status }: Job): string {
  const has = (type: string) => status?.conditions?.some(found => found.type === type && found.status === 'True')
  if (has('Complete')) return 'Complete'
  if (has('Failed')) return 'Failed'
  if (metadata?.deletionTimestamp) return 'Terminating'
  if (has('Suspended')) return 'Suspended'
  return has('FailureTarget') ? 'FailureTarget' : 'Running'
}

function completionsText({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0
  if (typeof spec?.completions === 'number') return `${done}/${spec.completions}`
  const parallelism = spec?.parallelism ?? 0
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`
}

function durationText({ status }: Job, now: number): string {
  if (!status?.startTime) return ''
  const end = status.completionTime ? Date.parse(status.completionTime) : now
  return humanDuration(end - Date.parse(status.startTime))
}

function warnings(job: Job): string[] {
  const problems = dnsLabel(job.metadata?.name ?? '')
  const hostname =
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended'
  return [
    ...(problems.length > 0 ? [`${hostname}: [${problems.join(' ')}]`] : []),
    ...podSpecWarnings(job.spec?.template?.spec, 'spec.template.spec'),
  ]
}

export const job = strategy<Job>({
  hasGeneration: true,
  defaultPropagation: 'Background',
  defaults,
  status: {},
  prepareForCreate: generateSelector,
  validate: jobErrors,
  validateUpdate: jobUpdateErrors,
  warnings,
  fieldNames: ['status.successful'],
  fields: object => ({ 'status.successful': String(object.status?.succeeded ?? 0) }),
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Completions', completionsText),
    column('Duration', durationText),
    ageColumn,
    ...templateColumns<Job>(
      object => object.spec?.template,
      object => object.spec?.selector,
    ),
  ],
})
