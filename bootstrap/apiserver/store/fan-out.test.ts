import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { FanOut } from './fan-out.ts'

test('many receivers are served in turns, batch after batch', async () => {
  const fanOut = new FanOut()
  const seen: string[] = []
  const receivers = Array.from({ length: 100 }, (_, i) => ({
    deliver: (_batch: readonly unknown[], end: number) => void seen.push(`${end}:${i}`),
  }))
  fanOut.add(receivers, [], 1)
  expect(seen).toHaveLength(64)
  fanOut.add(receivers, [], 2)
  let done = false
  fanOut.afterwards(() => (done = true))
  expect([seen.length, done]).toEqual([64, false])
  while (!done) await turn()
  expect(seen).toEqual([...receivers.map((_, i) => `1:${i}`), ...receivers.map((_, i) => `2:${i}`)])
})

test('few are served at once', () => {
  const fanOut = new FanOut()
  const seen: number[] = []
  fanOut.add([{ deliver: (_batch, end) => void seen.push(end) }], [], 7)
  fanOut.afterwards(() => seen.push(8))
  expect(seen).toEqual([7, 8])
})

test('what waits is dropped when cleared', async () => {
  const fanOut = new FanOut()
  let count = 0
  fanOut.add(
    Array.from({ length: 100 }, () => ({ deliver: () => void count++ })),
    [],
    1,
  )
  fanOut.clear()
  await turn()
  expect(count).toBe(64)
})
