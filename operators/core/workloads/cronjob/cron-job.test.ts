import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errors } from '../../../../bootstrap/api/errors.ts'
import { utc } from '../../../../bootstrap/api/time-zone.ts'
import { type CronJob, cronJobs, type Job, jobs } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { timestamp } from '../../../runtime/time.ts'
import { cronJobController } from './cron-job.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness.stop())

const minute = 60_000
const hour = 60 * minute
const at = { name: 'task', namespace: 'default' }
/** Minutes from the epoch to the harness's start, 2026-01-01T00:00:00Z. */
const epochMinutes = 29_453_760
const start = () => harness.start(cronJobController(utc))
const jobsOf = () => [...harness.client.store.table('batch/jobs').values()] as unknown as Job[]
const names = () => jobsOf().map(job => Number(job.metadata.name?.slice('task-'.length)) - epochMinutes)
const status = async () => (await harness.client.get(cronJobs, at)).status ?? {}
const running = async () => ((await status()).active ?? []).map(({ name }) => name)
const change = async (spec: object) => {
  await harness.client.patch(cronJobs, at, { spec }, { type: 'merge' })
  await harness.idle()
}

const template = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } }

async function create(spec: Partial<CronJob['spec']> = {}, more: Partial<CronJob> = {}): Promise<void> {
  harness.client.seed(cronJobs, {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { ...at, creationTimestamp: timestamp(harness.clock.now()) },
    spec: {
      schedule: '* * * * *',
      jobTemplate: { metadata: { labels: { app: 'task' }, annotations: { note: 'x' } }, spec: template },
      concurrencyPolicy: 'Allow',
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      ...spec,
    },
    ...more,
  })
  await harness.idle()
}

async function end(job: Job | undefined, type: 'Complete' | 'Failed' = 'Complete'): Promise<void> {
  const now = timestamp(harness.clock.now())
  const ended = { conditions: [{ type, status: 'True' }], ...(type === 'Complete' ? { completionTime: now } : {}) }
  await harness.client.patch(
    jobs,
    nameOf(job as Job),
    { status: { startTime: now, ...ended } },
    { type: 'merge', subresource: 'status' },
  )
  await harness.idle()
}

describe('a CronJob', () => {
  beforeEach(start)

  test('makes a Job each time it is due', async () => {
    await create()
    expect(jobsOf()).toEqual([])
    await harness.advance(minute + 100)
    expect(jobsOf()).toMatchObject([
      {
        metadata: {
          name: `task-${epochMinutes + 1}`,
          labels: { app: 'task' },
          annotations: { note: 'x', 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:01:00Z' },
          ownerReferences: [{ kind: 'CronJob', name: 'task', controller: true, blockOwnerDeletion: true }],
        },
        spec: template,
      },
    ])
    const { name, uid } = jobsOf()[0]?.metadata ?? {}
    expect(await status()).toMatchObject({
      active: [{ apiVersion: 'batch/v1', kind: 'Job', namespace: 'default', name, uid }],
      lastScheduleTime: '2026-01-01T00:01:00Z',
    })
    await harness.advance(minute)
    expect(names()).toEqual([1, 2])
    expect(harness.events()).toEqual([`SuccessfulCreate: Created job ${name}`, expect.stringContaining('Created job')])
    expect(harness.failures).toEqual([])
  })

  test('notes what became of its Jobs', async () => {
    await create()
    await harness.advance(minute + 100)
    await end(jobsOf()[0])
    expect(await status()).toEqual({
      lastScheduleTime: '2026-01-01T00:01:00Z',
      lastSuccessfulTime: '2026-01-01T00:01:00Z',
    })
    await harness.advance(minute)
    await end(jobsOf()[1], 'Failed')
    expect((await status()).lastSuccessfulTime).toBe('2026-01-01T00:01:00Z')
    await harness.advance(minute)
    await harness.client.delete(jobs, nameOf(jobsOf()[2] as Job))
    await harness.idle()
    expect((await status()).active).toBeUndefined()
    const name = (number: number) => `task-${epochMinutes + number}`
    expect(harness.events()).toEqual([
      `SuccessfulCreate: Created job ${name(1)}`,
      `SawCompletedJob: Saw completed job: ${name(1)}, condition: Complete`,
      `SuccessfulCreate: Created job ${name(2)}`,
      `SawCompletedJob: Saw completed job: ${name(2)}, condition: Failed`,
      `SuccessfulCreate: Created job ${name(3)}`,
      `MissingJob: Active job went missing: ${name(3)}`,
    ])
  })

  test('keeps a history of so many', async () => {
    await create({ successfulJobsHistoryLimit: 2, failedJobsHistoryLimit: 0 })
    for (let round = 1; round <= 4; round++) {
      await harness.advance(minute + (round === 1 ? 100 : 0))
      await end(jobsOf().at(-1))
    }
    expect(names()).toEqual([3, 4])
    await harness.advance(minute)
    await end(jobsOf().at(-1), 'Failed')
    expect(names()).toEqual([3, 4])
    expect(harness.events().filter(text => text.startsWith('SuccessfulDelete'))).toHaveLength(3)
  })

  test('waits while it is suspended, and then makes up for the last time missed', async () => {
    await create({ suspend: true })
    await harness.advance(5 * minute + 100)
    expect(names()).toEqual([])
    await change({ suspend: false })
    expect(names()).toEqual([5])
  })

  test('does not make up for times before its schedule was changed', async () => {
    await create({ schedule: '0 23 * * *' })
    await harness.advance(2 * hour)
    await change({ schedule: '30 * * * *' })
    expect(names()).toEqual([])
    await harness.advance(30 * minute + 100)
    expect(names()).toEqual([150])
  })

  test('keeps to its time zone', async () => {
    await create({ schedule: '0 9 * * *', timeZone: 'Asia/Kolkata' })
    await harness.advance(3.5 * hour + 100)
    expect(jobsOf()[0]?.metadata.annotations).toMatchObject({
      'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T09:00:00+05:30',
    })
  })

  test('heeds a zone that an old schedule names itself, and warns of it', async () => {
    await create({ schedule: 'CRON_TZ=Asia/Kolkata 0 9 * * *' })
    await harness.advance(3.5 * hour + 100)
    expect(names()).toEqual([3.5 * 60])
    expect(harness.events()).toContainEqual(
      expect.stringContaining(
        'UnsupportedSchedule: CRON_TZ or TZ used in schedule "CRON_TZ=Asia/Kolkata 0 9 * * *" is not',
      ),
    )
  })

  test('makes one Job a minute, however often it is due', async () => {
    await create({ schedule: '@every 20s' })
    for (let round = 0; round < 8; round++) await harness.advance(20_000)
    expect(names()).toEqual([0, 1, 2])
    expect(harness.events().filter(text => !text.startsWith('SuccessfulCreate'))).toEqual([])
    expect(harness.failures).toEqual([])
  })

  test('waits a year if need be', async () => {
    await create({ schedule: '@yearly' })
    await harness.advance(200 * 24 * hour)
    expect(names()).toEqual([])
    await harness.advance(165 * 24 * hour + 100)
    expect(names()).toEqual([365 * 24 * 60])
  })

  test.each([
    [
      { schedule: '0 0 31 2 *' },
      'InvalidSchedule: invalid schedule: 0 0 31 2 * : time difference between two schedules',
    ],
    [
      { schedule: 'x * * * *' },
      'UnparseableSchedule: unparseable schedule: "x * * * *" : failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax',
    ],
    [{ timeZone: 'No/Where' }, 'UnknownTimeZone: invalid timeZone: "No/Where": unknown time zone No/Where'],
  ])('says what is wrong with %j', async (spec, event) => {
    await create(spec)
    await harness.advance(24 * hour)
    expect(names()).toEqual([])
    expect(harness.events()).toEqual([expect.stringContaining(event)])
  })
})

describe('a Job still running when the next is due', () => {
  beforeEach(start)

  test.each([
    ['Allow', [1, 2], []],
    [
      'Forbid',
      [1],
      ['JobAlreadyActive: Not starting job because prior execution is running and concurrency policy is Forbid'],
    ],
    ['Replace', [2], [`SuccessfulDelete: Deleted job task-${epochMinutes + 1}`]],
  ])('%s', async (concurrencyPolicy, left, events) => {
    await create({ concurrencyPolicy })
    await harness.advance(minute + 100)
    await harness.advance(minute)
    expect(names()).toEqual(left)
    expect(await running()).toEqual(left.map(number => `task-${epochMinutes + number}`))
    expect(harness.events().filter(text => !text.startsWith('SuccessfulCreate'))).toEqual(events)
  })
})

describe('times missed while nobody looked', () => {
  const asleep = async (spec: object, ms: number) => {
    await create(spec)
    await harness.clock.advance(ms)
    await start()
  }

  test('are made up for once', async () => {
    await asleep({}, 50 * minute + 1000)
    expect(names()).toEqual([50])
    expect(harness.events()).toEqual([expect.stringContaining('SuccessfulCreate')])
  })

  test('are complained about when they are many', async () => {
    await asleep({}, 200 * minute + 1000)
    expect(names()).toEqual([200])
    expect(harness.events()[0]).toBe(
      'TooManyMissedTimes: too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew',
    )
  })

  test('are forgotten after the starting deadline', async () => {
    await asleep({ schedule: '0 * * * *', startingDeadlineSeconds: 60 }, hour + 2 * minute)
    expect(names()).toEqual([])
    expect(harness.events()).toEqual([
      'MissSchedule: Missed scheduled time to start a job: Thu, 01 Jan 2026 01:00:00 +0000',
    ])
    await harness.advance(58 * minute + 100)
    expect(names()).toEqual([120])
  })
})

describe('a controller that was interrupted', () => {
  test('finds the Job it made before, and lists it', async () => {
    await create()
    await harness.clock.advance(minute)
    let refused = false
    harness.client.before = ({ verb, subresource }) => {
      if (verb !== 'update' || subresource !== 'status' || refused) return
      refused = true
      throw errors.internal('the disk is full')
    }
    await start()
    await harness.advance(10)
    expect(refused).toBe(true)
    expect(names()).toEqual([1])
    expect(await running()).toEqual([`task-${epochMinutes + 1}`])
    expect(harness.events()).toContain(
      `UnexpectedJob: Saw a job that the controller did not create or forgot: task-${epochMinutes + 1}`,
    )
  })

  test('leaves a Job of that name that is not its own', async () => {
    harness.client.seed(jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: `task-${epochMinutes + 1}`, namespace: 'default' },
      spec: template,
    })
    await create()
    await start()
    await harness.advance(minute + 100)
    expect(await running()).toEqual([])
    await harness.advance(minute)
    expect(await running()).toEqual([`task-${epochMinutes + 2}`])
  })

  test('says why a Job could not be made', async () => {
    harness.client.before = ({ verb, resource }) => {
      if (verb === 'create' && resource === 'jobs') throw errors.badRequest('no room')
    }
    await create()
    await start()
    await harness.advance(minute + 100)
    expect(harness.events()[0]).toBe('FailedCreate: Error creating job: no room')
  })

  test('does nothing for a CronJob that is being deleted', async () => {
    await create(
      {},
      {
        metadata: { ...at, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x/y'] },
      },
    )
    await start()
    await harness.advance(5 * minute)
    expect(names()).toEqual([])
  })
})
