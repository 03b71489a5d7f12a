import { expect, test } from '@jest/globals'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import { scheduleByCron } from './schedule.ts'

test('node-cron calls at its times, until it is told to stop', async () => {
  const stop = new AbortController()
  let calls = 0
  // With seconds, which flags do not take, so as not to wait for a minute.
  const running = scheduleByCron('* * * * * *', () => void calls++, systemClock, stop.signal)
  const held = setInterval(() => {}, 1000)
  while (calls < 2) await new Promise(resolve => setTimeout(resolve, 20))
  stop.abort()
  await running
  const before = calls
  await new Promise(resolve => setTimeout(resolve, 1200))
  clearInterval(held)
  expect(calls).toBe(before)
})

test('"@every" counts from the start', async () => {
  const stop = new AbortController()
  const clock = new FakeClock()
  let calls = 0
  const running = scheduleByCron('@every 6h', () => void calls++, clock, stop.signal)
  await clock.advance(6 * 3_600_000 - 1)
  expect(calls).toBe(0)
  await clock.advance(6 * 3_600_000 + 1)
  expect(calls).toBe(2)
  stop.abort()
  await running
})
