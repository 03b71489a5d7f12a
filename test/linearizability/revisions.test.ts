/** Each rule about revisions on a history that keeps it and one that does not. */
import { expect, test } from '@jest/globals'
import type { History, Input, Listing, Operation, Output } from './history.ts'
import { type Change, checkRevisions } from './revisions.ts'

const operation = (invoked: number, returned: number, key: string, input: Input, output: Output): Operation => {
  return { client: 0, via: 0, key, input, output, invoked, returned }
}
const listing = (invoked: number, returned: number, revision: number, entries: Listing['entries']): Listing => {
  return { client: 0, via: 0, invoked, returned, revision, entries }
}
const done = (revision?: number): Output => ({ type: 'done', revision })

const operations = [
  operation(0, 1, 'x', { op: 'create', value: 'a' }, done(1)),
  operation(2, 3, 'y', { op: 'create', value: 'b' }, done(2)),
  operation(4, 5, 'x', { op: 'update', value: 'c', expected: 1 }, done(3)),
  operation(6, 7, 'y', { op: 'delete', expected: 2 }, done()),
  operation(6, 7, 'y', { op: 'update', value: 'd', expected: 1 }, { type: 'refused' }),
  operation(8, Number.POSITIVE_INFINITY, 'x', { op: 'update', value: 'e', expected: 3 }, { type: 'unknown', why: '' }),
]
const log: Change[] = [
  { key: 'x', revision: 1, value: 'a', previous: null },
  { key: 'y', revision: 2, value: 'b', previous: null },
  { key: 'x', revision: 3, value: 'c', previous: { value: 'a', revision: 1 } },
  { key: 'y', revision: 4, previous: { value: 'b', revision: 2 } },
  { key: 'x', revision: 6, value: 'e' },
]
const listings = [
  listing(
    1.5,
    4,
    2,
    new Map([
      ['x', { value: 'a', revision: 1 }],
      ['y', { value: 'b', revision: 2 }],
    ]),
  ),
  listing(8, 9, 5, new Map([['x', { value: 'c', revision: 3 }]])),
]
const history: History = { operations, listings }
const check = (changed: Partial<History>, ...watchers: Change[][]) =>
  checkRevisions({ ...history, ...changed }, watchers)

test('a history that keeps all rules', () => {
  expect(check({}, log, log)).toEqual([])
})

test('a change that is told twice, or out of order', () => {
  expect(check({}, log, [...log.slice(0, 2), log[1]!, ...log.slice(2)])).toContain(
    'watcher 1 was told of revision 2 after 2',
  )
  expect(check({}, log, [log[1]!, log[0]!, ...log.slice(2)])).toContain('watcher 1 was told of revision 1 after 2')
})

test('a change that is not told', () => {
  expect(check({}, log, log.slice(0, -1))).toEqual(['watcher 1 was not told of 6 x e'])
  expect(check({}, log.slice(0, -1), log)).toEqual(['watcher 0 was not told of 6 x e'])
  expect(check({ listings: [] }, log.toSpliced(1, 3))).toEqual([
    'nobody was told of b of y, acknowledged as 2',
    'nobody was told of c of x, acknowledged as 3',
    'nobody was told of the deletion of y at 2',
  ])
})

test('a wrong previous value', () => {
  const wrong = log.with(2, { ...log[2]!, previous: null })
  expect(check({}, wrong)).toEqual([
    'watcher 0, revision 3 of x: before it was {"value":"a","revision":1}, but the watcher was told null',
  ])
})

test('a write with another revision than was told, twice, refused, or never asked for', () => {
  const other = operations.with(2, operation(4, 5, 'x', { op: 'update', value: 'c', expected: 1 }, done(5)))
  expect(check({ operations: other }, log)[0]).toMatch(/^c of x, acknowledged as 5, was watched as/)
  expect(check({}, [...log, { key: 'z', revision: 7, value: 'c' }])).toContain('c was written twice, as 3 and 7')
  expect(check({}, [...log, { key: 'y', revision: 7, value: 'd' }])).toEqual(['d of y was refused and written'])
  expect(check({}, [...log, { key: 'y', revision: 7, value: 'f' }])).toEqual(['f of y was never asked for'])
})

test('an order that time contradicts', () => {
  const early = [...operations, operation(9, 10, 'z', { op: 'create', value: 'f' }, done(2))]
  expect(check({ operations: early }, log)).toContain('a write asked for at 9 got revision 2, after 3 had been told')
  const stale = [listing(6, 7, 2, new Map())]
  expect(check({ listings: stale }, log)).toContain('a list asked for at 6 got revision 2, after 3 had been told')
})

test('a list of two moments', () => {
  const torn = [
    listing(
      0,
      9,
      3,
      new Map([
        ['x', { value: 'a', revision: 1 }],
        ['y', { value: 'b', revision: 2 }],
      ]),
    ),
  ]
  expect(check({ listings: torn }, log)).toEqual([
    'a list via 0 at 3 shows x as {"value":"a","revision":1}, it was {"value":"c","revision":3}',
  ])
})
