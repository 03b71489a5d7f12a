import { expect, jest, test } from '@jest/globals'
import { DocumentCache } from './cache.ts'
import { collected } from './slices.ts'

test('a document is made once for each hash', async () => {
  const cache = new DocumentCache(1000)
  let made = 0
  const make = async () => Buffer.from(`${++made}`)
  const [first, second] = await Promise.all([cache.get('a', '1', false, make), cache.get('a', '1', false, make)])
  expect(first).toBe(second)
  expect((await cache.get('a', '2', false, make)).toString()).toBe('2')
})

test('a failure is not kept', async () => {
  const cache = new DocumentCache(1000)
  await expect(cache.get('a', '1', false, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect((await cache.get('a', '1', false, async () => Buffer.from('yes'))).toString()).toBe('yes')
})

test('documents nobody asks for are dropped', async () => {
  jest.useFakeTimers()
  try {
    const cache = new DocumentCache(1000)
    const make = async () => Buffer.from('x')
    await cache.get('a', '1', false, make)
    jest.advanceTimersByTime(900)
    await cache.get('a', '1', false, make)
    jest.advanceTimersByTime(900)
    expect(cache.size).toBe(1)
    jest.advanceTimersByTime(100)
    expect(cache.size).toBe(0)
  } finally {
    jest.useRealTimers()
  }
})

test('long work leaves room for other work', async () => {
  let others = 0
  const interval = setInterval(() => others++, 0)
  function* work() {
    for (let part = 0; part < 4; part++) {
      const until = performance.now() + 9
      while (performance.now() < until);
      yield part
    }
  }
  expect(await collected(work())).toEqual([0, 1, 2, 3])
  clearInterval(interval)
  expect(others).toBeGreaterThan(0)
})
