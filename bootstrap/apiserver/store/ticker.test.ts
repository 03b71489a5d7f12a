import { expect, test } from '@jest/globals'
import { ManualClock } from './manual-clock.ts'
import { Ticker } from './ticker.ts'

/** Counts the sleeps begun, to show that tasks share them. */
class CountingClock extends ManualClock {
  sleeps = 0

  override sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleeps++
    return super.sleep(ms, signal)
  }
}

test('runs each task at its own pace, until it is stopped', async () => {
  const clock = new CountingClock()
  const ticker = new Ticker(clock, new AbortController().signal)
  const ran: string[] = []
  const stopSlow = ticker.every(5000, () => ran.push('slow'))
  await clock.advance(1000)
  const stopFast = ticker.every(2000, () => ran.push('fast'))
  await clock.advance(1999)
  expect(ran).toEqual([])
  await clock.advance(1)
  expect(ran).toEqual(['fast'])
  await clock.advance(2000)
  expect(ran).toEqual(['fast', 'slow', 'fast'])
  stopFast()
  await clock.advance(10_000)
  expect(ran.at(-1)).toBe('slow')
  stopSlow()
  const { sleeps } = clock
  await clock.advance(60_000)
  expect([ran.length, clock.sleeps]).toEqual([4, sleeps])
})

test('lets tasks of long periods share wake-ups', async () => {
  const clock = new CountingClock()
  const ticker = new Ticker(clock, new AbortController().signal)
  let ran = 0
  for (let i = 0; i < 100; i++) {
    ticker.every(60_000, () => ran++)
    await clock.advance(5)
  }
  await clock.advance(61_000)
  expect(ran).toBe(100)
  expect(clock.sleeps).toBeLessThan(4)
})

test('sleeps no more once aborted', async () => {
  const clock = new CountingClock()
  const stop = new AbortController()
  const ticker = new Ticker(clock, stop.signal)
  let ran = 0
  ticker.every(1000, () => ran++)
  stop.abort()
  await clock.advance(5000)
  ticker.every(1000, () => ran++)
  expect([ran, clock.sleeps]).toEqual([0, 1])
})
