import { expect, test } from '@jest/globals'
import { sideBySide } from './side-by-side.ts'

async function* numbers(count: number): AsyncGenerator<number> {
  for (let i = 1; i <= count; i++) yield i
}
const turn = () => new Promise<void>(resolve => setImmediate(resolve))

function watched(weigh: (item: number) => number) {
  const now = new Set<number>()
  let [most, heaviest] = [0, 0]
  const work = async (item: number) => {
    now.add(item)
    most = Math.max(most, now.size)
    heaviest = Math.max(
      heaviest,
      [...now].reduce((sum, each) => sum + weigh(each), 0),
    )
    await turn()
    now.delete(item)
  }
  return { work, most: () => most, heaviest: () => heaviest, left: () => now.size }
}

test('does everything, no more at once than told', async () => {
  const { work, most, left } = watched(() => 1)
  expect(await sideBySide(numbers(50), { count: 7, weight: 100, weigh: () => 1 }, work)).toBe(50)
  expect([most(), left()]).toEqual([7, 0])
})

test('holds little weight, and takes what is too heavy by itself', async () => {
  const { work, heaviest, left } = watched(item => item)
  expect(await sideBySide(numbers(30), { count: 100, weight: 10, weigh: item => item }, work)).toBe(30)
  // One item is taken before it is seen to be too much.
  expect(heaviest()).toBeLessThanOrEqual(10 + 30)
  expect(left()).toBe(0)
})

test.each(['the work', 'the items'])('ends with the first failure of %s, when all else has ended', async whose => {
  const { work, left } = watched(() => 1)
  const failing = async (item: number) => {
    await work(item)
    if (whose === 'the work' && item === 9) throw new Error('broken')
  }
  async function* items() {
    for await (const item of numbers(100)) {
      if (whose === 'the items' && item === 9) throw new Error('broken')
      yield item
    }
  }
  await expect(sideBySide(items(), { count: 4, weight: 100, weigh: () => 1 }, failing)).rejects.toThrow('broken')
  expect(left()).toBe(0)
})

test('nothing is nothing', async () => {
  expect(await sideBySide(numbers(0), { count: 4, weight: 1, weigh: () => 1 }, async () => undefined)).toBe(0)
})
