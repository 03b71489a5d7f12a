/** CronJob. */
import { cronProblem } from '../../../api/cron/schedule.ts'
import { field } from '../../../api/errors.ts'
import { ageText } from '../../../api/time.ts'
import { timeZone as zoneNamed } from '../../../api/time-zone.ts'
import type { CronJob, CronJobSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf } from '../common/checks.ts'
import { fill, when } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { podSpecWarnings } from '../common/pod/spec.ts'
import { boolText } from '../common/text.ts'
import { countColumn, templateColumns } from '../common/workload-columns.ts'
import { defaultJobTemplate } from './job.ts'
import { jobSpecErrors } from './job-validation.ts'

/** Leaves room for the dash and the ten digits of the names of its jobs. */
const maxName = 52

function* validate(cronJob: CronJob): Errors {
  const { spec } = cronJob
  if (!spec) return
  if (!spec.schedule) yield field.required('spec.schedule')
  else yield* scheduleErrors(spec)
  yield* nonNegative(spec.startingDeadlineSeconds, 'spec.startingDeadlineSeconds')
  yield* oneOf(spec.concurrencyPolicy, 'spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace'])
  const template = spec.jobTemplate?.spec
  yield* jobSpecErrors(template ?? { template: {} }, 'spec.jobTemplate.spec')
  if (template?.selector) {
    yield field.invalid('spec.jobTemplate.spec.selector', template.selector, '`selector` will be auto-generated')
  }
  if (template?.manualSelector) {
    yield field.notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false'])
  }
  yield* nonNegative(spec.successfulJobsHistoryLimit, 'spec.successfulJobsHistoryLimit')
  yield* nonNegative(spec.failedJobsHistoryLimit, 'spec.failedJobsHistoryLimit')
  if ((cronJob.metadata?.name?.length ?? 0) > maxName) {
    yield field.invalid('metadata.name', cronJob.metadata?.name, `must be no more than ${maxName} characters`)
  }
}

function* scheduleErrors({ schedule, timeZone }: CronJobSpec): Errors {
  const problem = cronProblem(schedule)
  if (problem) yield field.invalid('spec.schedule', schedule, problem)
  if (timeZone !== undefined) yield* timeZoneErrors(timeZone)
}

/** Schedules may no longer name a zone; those that always did may go on, without the field that is there for it. */
function* zoneInScheduleErrors(spec: CronJobSpec | undefined, old: CronJobSpec | undefined): Errors {
  const { schedule = '', timeZone } = spec ?? {}
  if (!schedule.includes('TZ')) return
  if (!old?.schedule?.includes('TZ')) {
    yield field.invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead')
  } else if (timeZone !== undefined) {
    yield field.invalid('spec.schedule', schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule')
  }
}

function* timeZoneErrors(zone: string): Errors {
  const path = 'spec.timeZone'
  if (zone === '') yield field.invalid(path, zone, 'timeZone must be nil or non-empty string')
  else if (zone.toLowerCase() === 'local') {
    yield field.invalid(
      path,
      zone,
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    )
  } else if (!zoneNamed(zone)) yield field.invalid(path, zone, `unknown time zone ${zone}`)
}

export const cronJob = strategy<CronJob>({
  hasGeneration: true,
  defaults({ spec }) {
    if (!spec) return
    fill(spec, {
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
    })
    when(spec.jobTemplate, template => fill(template, { metadata: {} }))
    when(spec.jobTemplate?.spec, defaultJobTemplate)
  },
  status: {},
  validate,
  validateCreate: ({ spec }) => zoneInScheduleErrors(spec, undefined),
  validateUpdate: ({ spec }, old) => zoneInScheduleErrors(spec, old.spec),
  warnings: object =>
    podSpecWarnings(object.spec?.jobTemplate?.spec?.template?.spec, 'spec.jobTemplate.spec.template.spec'),
  fieldNames: ['status.successful'],
  columns: [
    nameColumn,
    column('Schedule', object => object.spec?.schedule),
    column('Timezone', object => object.spec?.timeZone ?? '<none>'),
    column('Suspend', object => boolText(object.spec?.suspend), 'boolean'),
    countColumn('Active', object => object.status?.active?.length),
    column('Last Schedule', (object, now) =>
      object.status?.lastScheduleTime ? ageText(object.status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn,
    ...templateColumns<CronJob>(
      object => object.spec?.jobTemplate?.spec?.template,
      object => object.spec?.jobTemplate?.spec?.selector,
    ),
  ],
})
