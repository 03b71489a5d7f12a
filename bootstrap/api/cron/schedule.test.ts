import { describe, expect, test } from '@jest/globals'
import { type TimeZone, timeZone, zonedTimestamp } from '../time-zone.ts'
import { cronProblem, parseCron } from './schedule.ts'

const zone = (name: string) => timeZone(name) as TimeZone

function next(schedule: string, after: string, name = 'UTC'): string | undefined {
  const time = parseCron(schedule, zone(name)).next(Date.parse(after))
  return time === undefined ? undefined : zonedTimestamp(time, zone(name))
}

describe('a schedule in UTC', () => {
  test.each([
    ['0/15 * * * *', '2012-07-09T14:45:00Z', '2012-07-09T15:00:00Z'],
    ['0/15 * * * *', '2012-07-09T14:59:59Z', '2012-07-09T15:00:00Z'],
    ['20-35/15 * * * *', '2012-07-09T15:45:00Z', '2012-07-09T16:20:00Z'],
    ['*/15 * * * *', '2012-07-09T23:46:00Z', '2012-07-10T00:00:00Z'],
    ['20-35/15 1/2 9/20 Jul *', '2012-07-09T23:35:51Z', '2012-07-29T01:20:00Z'],
    ['0 0 9 Apr-Oct ?', '2012-07-09T23:35:00Z', '2012-08-09T00:00:00Z'],
    ['0 0 */5 Apr,Aug,Oct Mon', '2012-07-09T23:35:00Z', '2012-08-01T00:00:00Z'],
    ['0 0 */5 Oct Mon', '2012-07-09T23:35:00Z', '2012-10-01T00:00:00Z'],
    ['0 0 * Feb Mon', '2012-07-09T23:35:00Z', '2013-02-04T00:00:00Z'],
    ['0 0 * Feb Mon/2', '2012-07-09T23:35:00Z', '2013-02-01T00:00:00Z'],
    ['0 0 29 Feb ?', '2012-07-09T23:35:00Z', '2016-02-29T00:00:00Z'],
    ['0 0 13 * FRI', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['*/2 8-10 * * mon-fri', '2026-01-02T10:59:30Z', '2026-01-05T08:00:00Z'],
    ['0 0 31 2 *', '2026-01-01T00:00:00Z', undefined],
    ['0 0 31 Apr ?', '2026-01-01T00:00:00Z', undefined],
    ['@yearly', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['@annually', '2026-05-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['@monthly', '2026-01-31T10:00:00Z', '2026-02-01T00:00:00Z'],
    ['@weekly', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
    ['@daily', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
    ['@midnight', '2026-01-01T23:59:59Z', '2026-01-02T00:00:00Z'],
    ['@hourly', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'],
    ['@every 1h30m', '2026-01-01T00:00:00Z', '2026-01-01T01:30:00Z'],
    ['@every 90s', '2026-01-01T00:00:00.250Z', '2026-01-01T00:01:30Z'],
    ['@every 10ms', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
    ['@every 1.9s', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
    ['@every -1h', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
    [',5, * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00Z'],
    [', * * * *', '2026-01-01T00:00:00Z', undefined],
    ['*-5 */1 ?/2 * *', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'],
  ])('%s after %s', (schedule, after, expected) => {
    expect(next(schedule, after)).toBe(expected)
  })
})

describe('a schedule in a zone that changes its clocks', () => {
  const newYork = 'America/New_York'
  test.each([
    ['an hour that is skipped', '30 2 * * *', '2026-03-08T00:00:00-05:00', newYork, '2026-03-09T02:30:00-04:00'],
    [
      'a yearly time that is skipped',
      '30 2 11 Mar ?',
      '2012-03-11T00:00:00-05:00',
      newYork,
      '2013-03-11T02:30:00-04:00',
    ],
    ['each hour, over the gap', '0 * * * ?', '2026-03-08T01:00:00-05:00', newYork, '2026-03-08T03:00:00-04:00'],
    ['before the gap', '0 1 * * ?', '2026-03-08T00:00:00-05:00', newYork, '2026-03-08T01:00:00-05:00'],
    ['an hour that comes twice, first', '0 1 * * ?', '2026-11-01T00:00:00-04:00', newYork, '2026-11-01T01:00:00-04:00'],
    ['an hour that comes twice, again', '0 1 * * ?', '2026-11-01T01:00:00-04:00', newYork, '2026-11-01T01:00:00-05:00'],
    ['a minute of the second hour', '30 1 * * ?', '2026-11-01T01:45:00-04:00', newYork, '2026-11-01T01:30:00-05:00'],
    ['each hour, both times', '0 * * * ?', '2026-11-01T01:00:00-05:00', newYork, '2026-11-01T02:00:00-05:00'],
    ['after the second hour', '30 2 04 Nov ?', '2012-11-04T00:00:00-04:00', newYork, '2012-11-04T02:30:00-05:00'],
    ['monthly, across the change', '0 3 3 * ?', '2012-11-04T00:00:00-04:00', newYork, '2012-12-03T03:00:00-05:00'],
    [
      'a day without midnight',
      '0 9 10 * ?',
      '2018-10-17T05:00:00-04:00',
      'America/Sao_Paulo',
      '2018-11-10T09:00:00-02:00',
    ],
    [
      'a day sought whose midnight is skipped',
      '0 9 4 11 *',
      '2018-10-01T00:00:00Z',
      'America/Sao_Paulo',
      '2018-11-04T09:00:00-02:00',
    ],
    [
      'a day sought whose clocks go back',
      '0 0 5 4 *',
      '2026-01-01T00:00:00Z',
      'Pacific/Auckland',
      '2026-04-05T00:00:00+13:00',
    ],
    ['midnight skipped', '0 0 * * *', '2018-11-03T00:00:00-03:00', 'America/Sao_Paulo', '2018-11-05T00:00:00-02:00'],
    [
      'midnight after clocks go back to it',
      '0 9 22 * ?',
      '2018-02-14T05:00:00-05:00',
      'America/Sao_Paulo',
      '2018-02-22T09:00:00-03:00',
    ],
    ['midnight twice', '0 0 * * *', '2026-10-31T00:00:00-04:00', 'America/Havana', '2026-11-01T00:00:00-04:00'],
    ['half an hour back', '0 2 * * *', '2026-04-05T01:15:00+11:00', 'Australia/Lord_Howe', '2026-04-05T02:00:00+10:30'],
    ['a zone of half hours', '0 9 * * *', '2026-01-01T00:00:00Z', 'Asia/Kolkata', '2026-01-01T09:00:00+05:30'],
    ['west of UTC', '15 22 31 12 *', '2026-01-01T04:00:00Z', 'America/St_Johns', '2026-12-31T22:15:00-03:30'],
    ['UTC itself', '0 9 * * *', '2026-01-01T10:00:00Z', 'Etc/UTC', '2026-01-02T09:00:00Z'],
  ])('%s', (_case, schedule, after, name, expected) => {
    expect(next(schedule, after, name)).toBe(expected)
  })

  test('names no zone that is none', () => {
    expect([timeZone('Nowhere/City'), timeZone('+01:00'), timeZone('')]).toEqual([undefined, undefined, undefined])
  })
})

describe('a zone that the schedule names itself', () => {
  test.each([
    ['TZ=Asia/Kolkata 0 9 * * *', '2026-01-01T03:30:00Z'],
    ['CRON_TZ=Asia/Kolkata   @daily ', '2026-01-01T18:30:00Z'],
    ['TZ=Asia/Kolkata @every 1h', '2026-01-01T01:00:00Z'],
    ['TZ=UTC 0 9 * * *', '2026-01-01T09:00:00Z'],
    ['TZ= 0 9 * * *', '2026-01-01T09:00:00Z'],
    ['TZ=Local 0 9 * * *', '2026-01-01T14:00:00Z'],
    ['0 9 * * *', '2026-01-01T14:00:00Z'],
  ])('%s', (schedule, expected) => {
    const time = parseCron(schedule, zone('America/New_York')).next(Date.parse('2026-01-01T00:00:00Z'))
    expect(new Date(time!)).toEqual(new Date(expected))
  })
})

test.each([
  '*/5 * * * *',
  ' 5  4 * * sun ',
  '*/5,30-40/2 0-6 1,15 jan-MAR ?',
  '*/61 * * * *',
  '0 12 * JAN-MAR mon,fri',
  '@hourly',
  '@every 1h30m',
])('%j is a schedule', schedule => expect(cronProblem(schedule)).toBeUndefined())

const notANumber = (word: string) => `failed to parse int from ${word}: strconv.Atoi: parsing "${word}": invalid syntax`

describe('what is wrong with', () => {
  test.each([
    ['', 'empty spec string'],
    [' ', 'expected exactly 5 fields, found 0: []'],
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    [' 0  0 * * * *', 'expected exactly 5 fields, found 6: [0 0 * * * *]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['0 24 * * *', 'end of range (24) above maximum (23): 24'],
    ['0 0 1 13 *', 'end of range (13) above maximum (12): 13'],
    ['0 0 * * 7', 'end of range (7) above maximum (6): 7'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['*/-1 * * * *', 'negative number (-1) not allowed: -1'],
    ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['x * * * *', notANumber('x')],
    ['x/2/3 * * * *', notANumber('x')],
    ['1- * * * *', notANumber('')],
    ['-5 * * * *', notANumber('')],
    ['0 0 L * *', notANumber('L')],
    [
      '9999999999999999999 * * * *',
      'failed to parse int from 9999999999999999999: strconv.Atoi: parsing "9999999999999999999": value out of range',
    ],
    ['@never', 'unrecognized descriptor: @never'],
    ['@every', 'unrecognized descriptor: @every'],
    ['@toString', 'unrecognized descriptor: @toString'],
    [' @daily', 'expected exactly 5 fields, found 1: [@daily]'],
    ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
    ['@every 5', 'failed to parse duration @every 5: time: missing unit in duration "5"'],
    ['@every 1d', 'failed to parse duration @every 1d: time: unknown unit "d" in duration "1d"'],
    ['@every ', 'failed to parse duration @every : time: invalid duration ""'],
    ['TZ=0', 'invalid schedule format: runtime error: slice bounds out of range [:-1]'],
    ['TZ=No/Where 0 0 * * *', 'provided bad location No/Where: unknown time zone No/Where'],
    ['TZ=UTC ', 'expected exactly 5 fields, found 0: []'],
  ])('%j', (schedule, message) => {
    expect(cronProblem(schedule)).toBe(message)
    expect(() => parseCron(schedule, zone('UTC'))).toThrow(new SyntaxError(message))
  })
})
