import { beforeEach, expect, test } from '@jest/globals'
import { Freshness } from './freshness.ts'
import { ManualClock } from './manual-clock.ts'

let clock: ManualClock
let asked: PromiseWithResolvers<number>[]
let reached: PromiseWithResolvers<void>
let revision: number
let stuck: number
let freshness: Freshness

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  reached = Promise.withResolvers()
  revision = 5
  stuck = 0
  freshness = new Freshness({
    clock,
    signal: new AbortController().signal,
    ask() {
      asked.push(Promise.withResolvers())
      return asked.at(-1)!.promise
    },
    revision: () => revision,
    reached: () => reached.promise,
    stuck: () => void stuck++,
  })
})

const turn = () => new Promise(setImmediate)
/** "waiting", "fresh", or why not. */
function follow(reading: Promise<void>): () => string {
  let state = 'waiting'
  reading.then(
    () => (state = 'fresh'),
    error => (state = `${(error as Error).name}: ${(error as Error).message}`),
  )
  return () => state
}

test('all who come while a question is under way share the next one, and none takes the answer of the first', async () => {
  const first = follow(freshness.fresh())
  const later = Array.from({ length: 10 }, () => follow(freshness.fresh()))
  expect(asked).toHaveLength(1)
  asked[0]!.resolve(5)
  await turn()
  expect([first(), ...new Set(later.map(one => one()))]).toEqual(['fresh', 'waiting'])
  expect(asked).toHaveLength(2)
  asked[1]!.resolve(7)
  await turn()
  expect(later[0]!()).toBe('waiting')
  revision = 7
  reached.resolve()
  await turn()
  expect(new Set(later.map(one => one()))).toEqual(new Set(['fresh']))
})

test('who waits for changes to arrive does not keep others from asking', async () => {
  const first = follow(freshness.fresh())
  asked[0]!.resolve(9)
  await turn()
  const second = follow(freshness.fresh())
  expect(asked).toHaveLength(2)
  expect([first(), second()]).toEqual(['waiting', 'waiting'])
})

test('a datastore that refuses, or is silent, or whose changes stand still, is an outage', async () => {
  const refused = follow(freshness.fresh())
  asked[0]!.reject(new Error('connection refused'))
  await turn()
  expect(refused()).toBe('UnavailableError: datastore unavailable: connection refused')
  const silent = follow(freshness.fresh())
  const behind = follow(freshness.fresh())
  await clock.advance(10_000)
  await turn()
  expect(silent()).toBe('UnavailableError: datastore unavailable: no answer within 10 s')
  asked[2]!.resolve(9)
  await turn()
  expect(stuck).toBe(0)
  await clock.advance(3000)
  await turn()
  expect(behind()).toContain('its changes up to 9 have not arrived within 3 s')
  expect(stuck).toBe(1)
})

test('what has been current lately need not be asked again', async () => {
  expect(freshness.recent(1000)).toBeDefined()
  asked[0]!.resolve(5)
  await turn()
  expect(freshness.recent(1000)).toBeUndefined()
  await clock.advance(1000)
  expect(freshness.recent(1000)).toBeDefined()
})
