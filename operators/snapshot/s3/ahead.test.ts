import { setImmediate } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { ahead } from './ahead.ts'

/** Counts up; each is made when told. */
function counting(last: number, depth: number) {
  const begun: number[] = []
  const makers = new Map<number, { resolve(made: string): void; reject(error: Error): void }>()
  const work = ahead(
    Array.from({ length: last }, (_, index) => index + 1),
    depth,
    (item, signal) => {
      begun.push(item)
      const made = Promise.withResolvers<string>()
      makers.set(item, made)
      signal.addEventListener('abort', () => made.reject(signal.reason as Error), { once: true })
      return made.promise
    },
  )
  return { begun, makers, work }
}

test('begins so many before they are asked for, and one more for each that is taken', async () => {
  const { begun, makers, work } = counting(4, 2)
  expect(begun).toEqual([1, 2])
  const first = work.next()!
  expect(begun).toEqual([1, 2, 3])
  makers.get(1)!.resolve('one')
  expect([first.item, await first.made]).toEqual([1, 'one'])
  expect([work.next()?.item, work.next()?.item, work.next()?.item]).toEqual([2, 3, 4])
  expect(work.next()).toBeUndefined()
  expect(begun).toEqual([1, 2, 3, 4])
})

test('what fails before it is asked for fails for who asks, and for nobody else', async () => {
  const { makers, work } = counting(2, 2)
  makers.get(2)!.reject(new Error('unreadable'))
  // A rejection that nobody handles would end the process here.
  await setImmediate()
  makers.get(1)!.resolve('one')
  expect(await work.next()!.made).toBe('one')
  await expect(work.next()!.made).rejects.toThrow('unreadable')
})

test('ends what is under way, waits for it, and begins no more', async () => {
  const ended: string[] = []
  const work = ahead([1, 2, 3], 1, async (_item, signal) => {
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    await setImmediate()
    ended.push('made')
  })
  await work.end()
  ended.push('end')
  expect(ended).toEqual(['made', 'end'])
  work.next()
  expect(work.next()).toBeUndefined()
})
