import { expect, test } from '@jest/globals'
import type { Clock } from '../effects.ts'
import { maintain } from './maintenance.ts'

/** Runs the loop over the newest revision seen at each wake-up; returns what was compacted at each. */
async function compactions(start: number, newest: readonly (number | Error)[]): Promise<(number | undefined)[]> {
  const stop = new AbortController()
  const done: (number | undefined)[] = []
  let round = -1
  const sleeps: number[] = []
  const clock: Clock = {
    now: () => 0,
    sleep: async ms => {
      sleeps.push(ms)
      if (++round === newest.length) throw new Error('aborted')
      done.push(undefined)
    },
  }
  const store = {
    revision: async () => {
      const current = round < 0 ? start : newest[round]!
      if (current instanceof Error) throw current
      return current
    },
    compact: async (before: number) => {
      done[round] = before
    },
  }
  await maintain(store, clock, stop.signal, undefined)
  expect(new Set(sleeps)).toEqual(new Set([5 * 60_000]))
  return done
}

test.each<[string, number, (number | Error)[], (number | undefined)[]]>([
  ['five minutes of history are kept', 5000, [9000, 20_000, 20_000], [5000, 9000, 20_000]],
  ['however little was written', 5000, [5001, 5002], [5000, 5001]],
  ['nothing is done when nothing was written', 5000, [5000, 5000, 5000], [5000, undefined, undefined]],
  ['a new store is left alone', 0, [0, 7, 7], [undefined, undefined, 7]],
  ['a failure is followed by the next try', 5000, [new Error('disk'), 7000], [undefined, 5000]],
])('%s', async (_, start, newest, expected) => {
  expect(await compactions(start, newest)).toEqual(expected)
})
