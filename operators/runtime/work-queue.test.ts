import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { FakeClock, turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { WorkQueue } from './work-queue.ts'

let clock: FakeClock
let stop: AbortController
let queue: WorkQueue

beforeEach(() => {
  clock = new FakeClock()
  stop = new AbortController()
  queue = new WorkQueue({ clock, random: () => 0, signal: stop.signal })
})
afterEach(() => stop.abort())

test('a key waits at most once, first in first out', async () => {
  for (const key of ['a', 'b', 'a', 'c']) queue.add(key)
  expect([await queue.take(), await queue.take(), await queue.take()]).toEqual(['a', 'b', 'c'])
  expect(queue.size).toBe(0)
})

test('a key added while it is worked on comes again only afterwards', async () => {
  queue.add('a')
  await queue.take()
  queue.add('a')
  queue.add('a')
  expect(queue.size).toBe(0)
  queue.finish('a')
  expect(queue.size).toBe(1)
  expect(await queue.take()).toBe('a')
  queue.finish('a')
  expect(queue.idle).toBe(true)
})

test('a waiting taker gets the key at once', async () => {
  const taken = queue.take()
  queue.add('a')
  expect(await taken).toBe('a')
  expect(queue.idle).toBe(false)
})

test('of several delays the earliest wins', async () => {
  queue.addAfter('a', 100)
  queue.addAfter('a', 50)
  queue.addAfter('a', 200)
  await clock.advance(49)
  expect(queue.size).toBe(0)
  await clock.advance(1)
  expect(await queue.take()).toBe('a')
  queue.finish('a')
  await clock.advance(1000)
  expect(queue.size).toBe(0)
})

test('retries double from 5 ms and start anew once forgotten', async () => {
  const delays: number[] = []
  for (let i = 0; i < 4; i++) {
    if (i === 3) queue.forget('a')
    queue.retry('a')
    const started = clock.now()
    while (queue.size === 0) await clock.advance(1)
    delays.push(clock.now() - started)
    queue.finish((await queue.take()) ?? '')
  }
  expect(delays).toEqual([5, 10, 20, 5])
})

test('the longest back-off is 1000 s', async () => {
  for (let i = 0; i < 60; i++) {
    queue.retry('a')
    await clock.advance(1_000_000)
    expect(await queue.take()).toBe('a')
    queue.finish('a')
  }
  expect(queue.failures('a')).toBe(60)
})

test('closing hands undefined to those who wait', async () => {
  const taken = queue.take()
  stop.abort()
  expect(await taken).toBeUndefined()
  expect(await queue.take()).toBeUndefined()
  queue.add('a')
  await turns()
  expect(queue.size).toBe(0)
})
