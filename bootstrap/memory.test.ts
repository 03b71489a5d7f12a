import { beforeEach, expect, test } from '@jest/globals'
import { FakeClock } from './client/testing/fake-clock.ts'
import { type MemoryEffects, processMemory, returnMemoryWhenIdle } from './memory.ts'

const mb = 1024 * 1024
let clock: FakeClock
let share: number
let rss: number
let collected: number[]
let stop: AbortController
let running: Promise<void>

beforeEach(() => {
  clock = new FakeClock()
  share = 0.01
  rss = 170 * mb
  collected = []
  stop = new AbortController()
  const effects: MemoryEffects = {
    clock,
    busy: () => share,
    resident: () => rss,
    collect() {
      collected.push(clock.now())
      rss = 135 * mb
    },
  }
  running = returnMemoryWhenIdle(effects, stop.signal)
})

test('gives back what the start took, then what bursts took, but not before five minutes have passed', async () => {
  const began = clock.now()
  await clock.advance(10_000)
  rss = 200 * mb
  await clock.advance(200_000)
  expect(collected.map(at => at - began)).toEqual([10_000])
  await clock.advance(200_000)
  expect(collected.map(at => at - began)).toEqual([10_000, 310_000])
  stop.abort()
  await running
})

test('not while there is work, nor for a little', async () => {
  share = 0.5
  await clock.advance(60_000)
  expect(collected).toEqual([])
  share = 0
  await clock.advance(10_000)
  expect(collected).toHaveLength(1)
  rss += 10 * mb
  await clock.advance(600_000)
  expect(collected).toHaveLength(1)
  stop.abort()
  await running
})

test('the process can be asked', () => {
  const memory = processMemory(clock)
  expect(memory.busy()).toBeGreaterThanOrEqual(0)
  expect(memory.resident()).toBeGreaterThan(10 * mb)
  memory.collect()
})
