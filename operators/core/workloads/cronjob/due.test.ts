import { describe, expect, test } from '@jest/globals'
import { parseCron } from '../../../../bootstrap/api/cron/schedule.ts'
import { utc } from '../../../../bootstrap/api/time-zone.ts'
import type { CronJob } from '../../../../bootstrap/client/resources.ts'
import { timestamp } from '../../../runtime/time.ts'
import { countsFrom, dueTime, nextInMs } from './due.ts'

const day = '2026-01-01T'
const ms = (text: string) => Date.parse(text.length > 10 ? text : `${day}${text}Z`)
const shown = (at: number | undefined) => (at === undefined ? undefined : timestamp(at))

describe('what is due', () => {
  test.each([
    ['nothing yet', '0 * * * *', '00:00:00', '00:59:59', undefined, undefined],
    ['the first', '0 * * * *', '00:00:00', '01:00:00', '01:00:00', undefined],
    ['the latest of a few', '0 * * * *', '00:00:00', '05:30:00', '05:00:00', false],
    ['the latest of many', '* * * * *', '00:00:00', '05:30:00', '05:30:00', true],
    ['the latest of a hundred', '* * * * *', '00:00:00', '01:40:30', '01:40:00', false],
    ['the latest of uneven ones', '30 6-16/4 * * *', '00:00:00', '15:00:00', '14:30:00', false],
    ['the latest interval, counted from the start', '@every 7m', '00:00:30', '00:30:00', '00:28:30', false],
  ])('%s', (_case, schedule, start, now, at, tooManyMissed) => {
    const due = dueTime(parseCron(schedule, utc), ms(start), ms(now))
    expect(shown(due.at)).toBe(at && `${day}${at}Z`)
    expect(due.tooManyMissed).toBe(tooManyMissed)
  })

  test('never anything of a day that does not exist', () => {
    expect(dueTime(parseCron('0 0 30 2 *', utc), 0, ms('00:00:00'))).toEqual({
      problem: 'time difference between two schedules is less than 1 second',
    })
  })
})

describe('the next look', () => {
  test.each([
    ['at the next time, and a little later', '*/5 * * * *', '00:00:00', '00:01:00', 4 * 60_000 + 100],
    ['after the one that is due', '*/5 * * * *', '00:00:00', '00:05:00', 5 * 60_000 + 100],
    ['after those missed', '*/5 * * * *', '00:00:00', '00:27:00', 3 * 60_000 + 100],
    ['within a day, as timers do not last', '@yearly', '00:00:00', '00:01:00', 86_400_000],
    ['not at all', '0 0 31 4 *', '00:00:00', '00:01:00', undefined],
  ])('%s', (_case, text, start, now, wait) => {
    const schedule = parseCron(text, utc)
    expect(nextInMs(schedule, dueTime(schedule, ms(start), ms(now)), ms(start), ms(now))).toBe(wait)
  })
})

test.each([
  ['the creation', {}, undefined, 0, '00:00:00', '00:00:00'],
  ['the last time served', { lastScheduleTime: `${day}02:00:00Z` }, undefined, 0, '02:00:00', '02:00:00'],
  [
    'a change of the schedule',
    { lastScheduleTime: `${day}02:00:00Z` },
    undefined,
    ms('03:00:00'),
    '03:00:00',
    '03:00:00',
  ],
  ['the starting deadline', { lastScheduleTime: `${day}02:00:00Z` }, 60, 0, '02:00:00', '03:59:00'],
  ['a deadline before all that', {}, 99_999, 0, '00:00:00', '00:00:00'],
])('times count from %s', (_case, status, startingDeadlineSeconds, since, start, inTime) => {
  const metadata = { creationTimestamp: `${day}00:00:00Z` }
  const spec = startingDeadlineSeconds === undefined ? {} : { startingDeadlineSeconds }
  const cronJob = { metadata, spec, status } as unknown as CronJob
  expect(countsFrom(cronJob, since, ms('04:00:00'))).toEqual({ start: ms(start), inTime: ms(inTime) })
})
