import { describe, expect, test } from '@jest/globals'
import { cells, create, objectOf, testNow, update } from '../harness.ts'
import { cronJob } from './cron-job.ts'
import { job } from './job.ts'

const podSpec = { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] }
const jobOf = (spec: object = {}, rest: object = {}) =>
  objectOf('batch/v1', 'Job', {
    metadata: { name: 'x', namespace: 'default', uid: 'u' },
    spec: { template: { spec: podSpec }, ...spec },
    ...rest,
  })
const cronOf = (spec: object) =>
  objectOf('batch/v1', 'CronJob', {
    spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: { spec: podSpec } } }, ...spec },
  })

test('a job gets its defaults, selector and labels', () => {
  const { object, errors } = create(job, jobOf())
  expect(errors).toEqual([])
  const labels = {
    'controller-uid': 'u',
    'job-name': 'x',
    'batch.kubernetes.io/controller-uid': 'u',
    'batch.kubernetes.io/job-name': 'x',
  }
  expect(object).toMatchObject({
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      podReplacementPolicy: 'TerminatingOrFailed',
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u' } },
      template: { metadata: { labels } },
    },
    status: {},
  })
})

describe('jobs that are refused', () => {
  const cases: [string, object, string[]][] = [
    [
      'restarting pods',
      { template: { spec: { ...podSpec, restartPolicy: 'Always' } } },
      ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ],
    [
      'indexed without completions',
      { completionMode: 'Indexed', parallelism: 2 },
      ['spec.completions: Required value: when completion mode is Indexed'],
    ],
    ['negative', { backoffLimit: -1 }, ['spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0']],
    ['own selector missing', { manualSelector: true }, ['spec.selector: Required value']],
    [
      'success policy without indexes',
      { successPolicy: { rules: [{ succeededCount: 1 }] } },
      ['spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'],
    ],
    [
      'failure rule on exit code 0',
      { podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [0] } }] } },
      ['spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator'],
    ],
  ]
  test.each(cases)('%s', (_name, spec, errors) => {
    expect(create(job, jobOf(spec)).errors).toEqual(errors)
  })
})

describe('updates of a job', () => {
  const stored = create(job, jobOf()).object
  const change = (old: typeof stored, given: object) =>
    update(job, old, draft => Object.assign(draft.spec as object, given)).errors

  test('parallelism may change, completions may not', () => {
    expect(change(stored, { parallelism: 3 })).toEqual([])
    expect(change(stored, { completions: 3 })).toEqual(['spec.completions: Invalid value: 3: field is immutable'])
  })

  test('an indexed job grows completions with parallelism', () => {
    const indexed = create(job, jobOf({ completionMode: 'Indexed', completions: 2, parallelism: 2 })).object
    expect(change(indexed, { completions: 3, parallelism: 3 })).toEqual([])
    expect(change(indexed, { completions: 3 })).toEqual([
      'spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism',
    ])
  })

  test('only a job that has not started may be placed anew', () => {
    const suspended = create(job, jobOf({ suspend: true })).object
    const template = (stored.spec as { template: { spec: object } }).template
    const placed = { template: { ...template, spec: { ...template.spec, nodeSelector: { a: 'b' } } } }
    expect(change(suspended, placed)).toEqual([])
    expect(change(stored, placed)).toHaveLength(1)
  })
})

test('a cron job gets its defaults', () => {
  const { object, errors } = create(cronJob, cronOf({}))
  expect(errors).toEqual([])
  expect(object).toMatchObject({
    spec: {
      concurrencyPolicy: 'Allow',
      suspend: false,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { spec: { template: { spec: { dnsPolicy: 'ClusterFirst' } } } },
    },
  })
  expect((object.spec as { jobTemplate: { spec: object } }).jobTemplate.spec).not.toHaveProperty('completions')
})

test.each([
  [{ schedule: '' }, ['spec.schedule: Required value']],
  [{ schedule: '* * * *' }, ['spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]']],
  [
    { schedule: 'x * * * *' },
    [
      'spec.schedule: Invalid value: "x * * * *": failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
    ],
  ],
  [{ timeZone: 'Mars/Olympus' }, ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus']],
  [{ timeZone: 'Europe/Berlin' }, []],
  [
    { concurrencyPolicy: 'Maybe' },
    ['spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"'],
  ],
])('cron job %j', (spec, errors) => {
  expect(create(cronJob, cronOf(spec)).errors).toEqual(errors)
})

describe('a zone in the schedule', () => {
  const zoned = { schedule: 'TZ=UTC 0 9 * * *' }
  const refused = [
    'spec.schedule: Invalid value: "TZ=UTC 0 9 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ]
  const changed = (old: object, spec: object) =>
    update(cronJob, create(cronJob, cronOf(old)).object, draft => Object.assign(draft.spec as object, spec)).errors

  test('is refused', () => {
    expect(create(cronJob, cronOf(zoned)).errors).toEqual(refused)
    expect(create(cronJob, cronOf({ ...zoned, timeZone: 'UTC' })).errors).toEqual(refused)
    expect(changed({}, zoned)).toEqual(refused)
  })

  test('may stay where it always was, without the field', () => {
    expect(changed(zoned, { suspend: true })).toEqual([])
    expect(changed(zoned, { timeZone: 'UTC' })).toEqual([
      'spec.schedule: Invalid value: "TZ=UTC 0 9 * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule',
    ])
  })
})

describe('rows', () => {
  const started = new Date(testNow - 90_000).toISOString()
  test.each([
    [{ completions: 3 }, { succeeded: 1, startTime: started }, 'Running', '1/3', '90s'],
    [{ parallelism: 2 }, {}, 'Running', '0/1 of 2', ''],
    [{ parallelism: 1 }, { conditions: [{ type: 'Complete', status: 'True' }] }, 'Complete', '0/1', ''],
    [{ completions: 1 }, { conditions: [{ type: 'Suspended', status: 'True' }] }, 'Suspended', '0/1', ''],
  ])('job %j %j', (spec, status, text, completions, duration) => {
    expect(cells(job, objectOf('batch/v1', 'Job', { spec, status }))).toMatchObject({
      Status: text,
      Completions: completions,
      Duration: duration,
    })
  })

  test('cron job', () => {
    expect(cells(cronJob, { ...cronOf({}), status: { lastScheduleTime: started } })).toMatchObject({
      Schedule: '*/5 * * * *',
      Timezone: '<none>',
      Suspend: '<unset>',
      Active: 0,
      'Last Schedule': '90s',
      Containers: 'c',
      Selector: '<none>',
    })
  })
})
