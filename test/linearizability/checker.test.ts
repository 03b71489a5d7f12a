/** The checker on histories whose verdict is known. */
import { describe, expect, test } from '@jest/globals'
import { checkLinearizable } from './checker.ts'
import type { Input, Listing, Observed, Operation, Output } from './history.ts'

type Short = readonly [invoked: number, returned: number, input: Input, output: Output, key?: string]

const history = (...shorts: readonly Short[]): Operation[] =>
  shorts.map(([invoked, returned, input, output, key = 'k'], client) => {
    return { client, via: 0, key, input, output, invoked, returned }
  })
const create = (value: string): Input => ({ op: 'create', value })
const update = (value: string, expected: number): Input => ({ op: 'update', value, expected })
const remove = (expected: number): Input => ({ op: 'delete', expected })
const get: Input = { op: 'get' }
const done = (revision?: number): Output => ({ type: 'done', revision })
const refused = (current?: Observed | null): Output => ({ type: 'refused', current })
const at = (value: string, revision: number): Observed => ({ value, revision })
const seen = (entry: Observed | null): Output => ({ type: 'seen', entry })
const unknown: Output = { type: 'unknown', why: '' }
const never = Number.POSITIVE_INFINITY

const good: { readonly [name: string]: readonly Short[] } = {
  'nothing but a read': [[0, 1, get, seen(null)]],
  'one after the other': [
    [0, 1, create('a'), done(1)],
    [2, 3, get, seen(at('a', 1))],
    [4, 5, update('b', 1), done(2)],
    [6, 7, update('c', 1), refused(at('b', 2))],
    [8, 9, remove(2), done(3)],
    [10, 11, get, seen(null)],
    [12, 13, create('d'), done(4)],
  ],
  'a read beside a write sees it or does not': [
    [0, 1, create('a'), done(1)],
    [2, 10, update('b', 1), done(2)],
    [3, 9, get, seen(at('a', 1))],
    [4, 8, get, seen(at('b', 2))],
  ],
  'of two writes at once one wins': [
    [0, 1, create('a'), done(1)],
    [2, 9, update('b', 1), refused(at('c', 2))],
    [3, 8, update('c', 1), done(2)],
  ],
  'a write of unknown outcome that happened, later': [
    [0, 1, create('a'), done(1)],
    [2, never, update('b', 1), unknown],
    [3, 4, get, seen(at('a', 1))],
    [5, 6, get, seen(at('b', 2))],
    [7, 8, update('c', 2), done(3)],
  ],
  'a write of unknown outcome that never happened': [
    [0, 1, create('a'), done(1)],
    [2, never, update('b', 1), unknown],
    [3, 4, update('c', 1), done(2)],
    [5, 6, get, seen(at('c', 2))],
  ],
  'a deletion of unknown outcome, and nobody is told a revision': [
    [0, 1, create('a'), done()],
    [2, 3, get, seen(at('a', 4))],
    [4, never, remove(4), unknown],
    [5, 6, get, seen(at('a', 4))],
    [7, 8, create('b'), done()],
    [9, 10, get, seen(at('b', 7))],
  ],
  'an unknown creation is overwritten before anybody sees it': [
    [0, never, create('a'), unknown],
    [1, 2, create('b'), refused()],
    [3, never, remove(1), unknown],
    [4, 5, get, seen(at('a', 1))],
    [6, 7, get, seen(null)],
    [8, 9, create('c'), done(3)],
  ],
  'a refusal says what was there a moment later': [
    [0, 1, create('a'), done(1)],
    [2, 9, create('b'), refused(null)],
    [3, 8, remove(1), done(2)],
  ],
  'registers do not concern each other': [
    [0, 1, create('a'), done(1), 'x'],
    [2, 3, get, seen(null), 'y'],
    [4, 5, create('b'), done(2), 'y'],
  ],
}

const bad: { readonly [name: string]: readonly Short[] } = {
  'a stale read': [
    [0, 1, create('a'), done(1)],
    [2, 3, update('b', 1), done(2)],
    [4, 5, get, seen(at('a', 1))],
  ],
  'a lost write': [
    [0, 1, create('a'), done(1)],
    [2, 3, get, seen(null)],
  ],
  'both of two writes win': [
    [0, 1, create('a'), done(1)],
    [2, 9, update('b', 1), done(2)],
    [3, 8, update('c', 1), done(3)],
  ],
  'a read goes back': [
    [0, 1, create('a'), done(1)],
    [2, 20, update('b', 1), done(2)],
    [3, 4, get, seen(at('b', 2))],
    [5, 6, get, seen(at('a', 1))],
  ],
  'a refused write happened': [
    [0, 1, create('a'), done(1)],
    [2, 3, update('b', 1), refused(at('a', 1))],
  ],
  'a value comes back with another revision': [
    [0, 1, create('a'), done(1)],
    [2, 3, get, seen(at('a', 2))],
  ],
  'a refusal tells what was there long before': [
    [0, 1, create('a'), done(1)],
    [2, 3, update('b', 1), done(2)],
    [4, 5, update('c', 9), refused(at('a', 1))],
  ],
  'an unknown write happened before it was asked for': [
    [0, 1, create('a'), done(1)],
    [2, 3, get, seen(at('b', 2))],
    [4, never, update('b', 1), unknown],
  ],
  'an unknown write happened and was undone': [
    [0, 1, create('a'), done(1)],
    [2, never, update('b', 1), unknown],
    [3, 4, get, seen(at('b', 2))],
    [5, 6, get, seen(at('a', 1))],
  ],
  'a creation where something is': [
    [0, 1, create('a'), done(1)],
    [2, 3, create('b'), done(2)],
  ],
}

describe('linearizable', () => {
  test.each(Object.entries(good))('%s', (_, shorts) => {
    const verdict = checkLinearizable({ operations: history(...shorts), listings: [] })
    expect(verdict).toEqual({ ok: true })
  })
})

describe('not linearizable', () => {
  test.each(Object.entries(bad))('%s', (_, shorts) => {
    const verdict = checkLinearizable({ operations: history(...shorts), listings: [] })
    expect(verdict).toMatchObject({ ok: false, key: 'k' })
  })
})

test('listings are reads of all registers', () => {
  const operations = history([0, 1, create('a'), done(1), 'x'], [0, 1, create('b'), done(2), 'y'])
  const listing = (...entries: [string, Observed][]): Listing => {
    return { client: 0, via: 0, invoked: 2, returned: 3, revision: 2, entries: new Map(entries) }
  }
  const verdict = (one: Listing) => checkLinearizable({ operations, listings: [one] })
  expect(verdict(listing(['x', at('a', 1)], ['y', at('b', 2)]))).toEqual({ ok: true })
  expect(verdict(listing(['x', at('a', 1)]))).toMatchObject({ ok: false, key: 'y' })
})

describe('random histories', () => {
  /** Clients on a register that is one; calls begin before and end after the moment that counts. */
  function simulate(seed: number, count: number): Operation[] {
    let state = seed
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647
    const operations: Operation[] = []
    let register: Observed | null = null
    let [known, older] = [0, 0] // revisions that somebody was told
    for (let n = 0; n < count; n++) {
      const moment = n
      const [invoked, returned] = [moment - random() * 6, moment + random() * 6]
      const expected: number = random() < 0.8 ? known : older
      const input: Input = [
        create(`v${n}`),
        update(`v${n}`, expected),
        update(`v${n}`, expected),
        remove(expected),
        get,
      ][Math.floor(random() * 5)]!
      const before: Observed | null = register
      let output: Output
      const fits = input.op === 'create' ? before === null : input.op !== 'get' && before?.revision === input.expected
      if (input.op === 'get') output = seen(before)
      else if (!fits) output = refused(before)
      else {
        register = input.op === 'delete' ? null : { value: input.value, revision: n + 1 }
        output = done(n + 1)
      }
      const lost = random() < 0.05 && input.op !== 'get'
      const told = output.type === 'done' ? output.revision : before?.revision
      if (!lost && told !== undefined && told !== known) [known, older] = [told, known]
      operations.push({
        client: n,
        via: 0,
        key: 'k',
        input,
        output: lost ? unknown : output,
        invoked,
        returned: lost ? never : returned,
      })
    }
    return operations
  }

  test('of a true register pass; the same with one answer falsified do not', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const operations = simulate(seed, 300)
      expect(checkLinearizable({ operations, listings: [] })).toEqual({ ok: true })
      const index = operations.findIndex(({ output }, at) => at > 150 && output.type === 'seen' && output.entry)
      if (index < 0) continue
      const stale = operations.findLast(
        ({ output }, at) => at < index - 60 && output.type === 'done' && output.revision,
      )
      const value = stale && 'value' in stale.input ? stale.input.value : 'v0'
      const revision = stale?.output.type === 'done' ? stale.output.revision! : 1
      const broken = operations.with(index, { ...operations[index]!, output: seen({ value, revision }) })
      expect(checkLinearizable({ operations: broken, listings: [] })).toMatchObject({ ok: false })
    }
  })
})
