import { afterEach, describe, expect, test } from '@jest/globals'
import { timeZone, utc } from '../../bootstrap/api/time-zone.ts'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import type { Clock } from '../runtime/operator.ts'
import { followCron } from './schedule.ts'

const minute = 60_000
const hour = 60 * minute

/** Shows another time than its timers go by: of a machine that slept, or whose clock was set. */
class SetClock implements Clock {
  readonly timers: FakeClock
  ahead = 0
  sleeps = 0

  constructor(now: string) {
    this.timers = new FakeClock(Date.parse(now))
  }

  now() {
    return this.timers.now() + this.ahead
  }

  sleep(ms: number, signal: AbortSignal) {
    this.sleeps++
    return this.timers.sleep(ms, signal)
  }
}

let end: () => Promise<void> = async () => {}
afterEach(() => end())

/** What has been called: the times that the clock showed. */
function follow(expression: string, clock: SetClock, zone = utc): string[] {
  const stop = new AbortController()
  const calls: string[] = []
  const due = () => void calls.push(new Date(clock.now()).toISOString().slice(0, 19))
  const running = followCron(expression, due, clock, stop.signal, zone)
  end = async () => {
    stop.abort()
    await running
    expect(clock.timers.pending).toBe(0)
  }
  return calls
}

test('calls at each time, and at no other', async () => {
  const clock = new SetClock('2026-01-01T03:17:20Z')
  const calls = follow('0 */12 * * *', clock)
  await clock.timers.advance(12 * hour + 42 * minute + 39_999 - 4 * hour)
  expect(calls).toEqual([])
  await clock.timers.advance(1)
  expect(calls).toEqual(['2026-01-01T12:00:00'])
  await clock.timers.advance(24 * hour)
  expect(calls).toEqual(['2026-01-01T12:00:00', '2026-01-02T00:00:00', '2026-01-02T12:00:00'])
})

test('"@every" counts from the start', async () => {
  const clock = new SetClock('2026-01-01T00:00:30Z')
  const calls = follow('@every 6h', clock)
  await clock.timers.advance(6 * hour - 1)
  expect(calls).toEqual([])
  await clock.timers.advance(6 * hour + 1)
  expect(calls).toEqual(['2026-01-01T06:00:30', '2026-01-01T12:00:30'])
})

test('looks at the clock a few times an hour, however far the next time is', async () => {
  const clock = new SetClock('2026-01-01T00:00:30Z')
  const calls = follow('@yearly', clock)
  await clock.timers.advance(24 * hour)
  expect(clock.sleeps).toBe(6 * 24 + 1)
  await clock.timers.advance(364 * 24 * hour)
  expect(calls).toEqual(['2027-01-01T00:00:00'])
})

test('never comes to a day that does not exist', async () => {
  const clock = new SetClock('2026-01-01T00:00:00Z')
  const calls = follow('0 0 31 2 *', clock)
  await clock.timers.advance(100 * 24 * hour)
  expect(calls).toEqual([])
})

test('throws for what is no schedule', async () => {
  const { signal } = new AbortController()
  await expect(followCron('0 0 * * 7', () => {}, new FakeClock(), signal)).rejects.toThrow(SyntaxError)
})

describe('when the clocks change', () => {
  test.each([
    [
      'once for an hour that is skipped',
      '30 2 * * *',
      '2026-03-07T12:00:00Z',
      ['2026-03-09T06:30:00', '2026-03-10T06:30:00'],
    ],
    [
      'twice for an hour that comes twice',
      '30 1 * * *',
      '2026-10-31T12:00:00Z',
      ['2026-11-01T05:30:00', '2026-11-01T06:30:00', '2026-11-02T06:30:00'],
    ],
    [
      'at noon and midnight of the clock on the wall',
      '0 */12 * * *',
      '2026-03-07T20:00:00Z',
      ['2026-03-08T05:00:00', '2026-03-08T16:00:00', '2026-03-09T04:00:00', '2026-03-09T16:00:00'],
    ],
  ])('it is called %s', async (_case, expression, start, expected) => {
    const clock = new SetClock(start)
    const calls = follow(expression, clock, timeZone('America/New_York'))
    await clock.timers.advance(72 * hour)
    expect(calls.slice(0, expected.length)).toEqual(expected)
  })
})

describe('when timers and the clock disagree', () => {
  test('what a machine slept through is made up for once, soon after it wakes', async () => {
    const clock = new SetClock('2026-01-01T11:40:00Z')
    const calls = follow('0 * * * *', clock)
    await clock.timers.advance(minute)
    clock.ahead = 30 * hour
    await clock.timers.advance(9 * minute)
    expect(calls).toEqual(['2026-01-02T17:50:00'])
    await clock.timers.advance(10 * minute)
    expect(calls).toEqual(['2026-01-02T17:50:00', '2026-01-02T18:00:00'])
  })

  test('a timer that is early does not call before the time', async () => {
    const clock = new SetClock('2026-01-01T11:59:00Z')
    const calls = follow('0 * * * *', clock)
    clock.ahead = -40
    await clock.timers.advance(minute)
    expect(calls).toEqual([])
    await clock.timers.advance(40)
    expect(calls).toEqual(['2026-01-01T12:00:00'])
  })

  test('a clock that is put right by some minutes calls for no time again', async () => {
    const clock = new SetClock('2026-01-01T11:59:00Z')
    const calls = follow('*/5 * * * *', clock)
    await clock.timers.advance(minute)
    clock.ahead = -20 * minute
    await clock.timers.advance(25 * minute)
    expect(calls).toEqual(['2026-01-01T12:00:00', '2026-01-01T12:05:00'])
  })

  test('a clock that was years ahead is not waited for', async () => {
    const clock = new SetClock('2040-01-01T00:30:00Z')
    const calls = follow('0 */12 * * *', clock)
    clock.ahead = Date.parse('2026-06-01T11:00:00Z') - Date.parse('2040-01-01T00:30:00Z')
    await clock.timers.advance(2 * hour)
    expect(calls).toEqual(['2026-06-01T12:00:00'])
  })
})
