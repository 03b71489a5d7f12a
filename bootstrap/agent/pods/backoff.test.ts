import { expect, test } from '@jest/globals'
import { Backoff } from './backoff.ts'

const minute = 60_000

test('delays double from 10 s to 5 min, the first restart being immediate', () => {
  const backoff = new Backoff()
  const delays: number[] = []
  let now = 0
  for (let failures = 0; failures < 8; failures++) {
    const wait = backoff.waitUntil('k', now, now)
    delays.push(wait?.delayMs ?? 0)
    const restart = wait?.until ?? now
    backoff.next('k', now, restart)
    now = restart + 1000
  }
  expect(delays.map(delay => delay / 1000)).toEqual([0, 10, 20, 40, 80, 160, 300, 300])
})

test('ten good minutes are forgiven', () => {
  const backoff = new Backoff()
  for (const at of [0, 1000, 2000]) backoff.next('k', at, at)
  expect(backoff.waitUntil('k', 2000 + 10 * minute, 2000 + 10 * minute)?.delayMs).toBe(40_000)
  expect(backoff.waitUntil('k', 2001 + 10 * minute, 2001 + 10 * minute)).toBeUndefined()
})

test('keys do not share delays, and can be forgotten', () => {
  const backoff = new Backoff()
  backoff.next('a', 0, 0)
  expect(backoff.waitUntil('b', 0, 0)).toBeUndefined()
  backoff.forget('a')
  expect(backoff.waitUntil('a', 0, 0)).toBeUndefined()
})
