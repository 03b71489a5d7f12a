import { expect, test } from '@jest/globals'
import { Expectations } from './expectations.ts'

test('creations and deletions must be seen before the controller may act', () => {
  const expected = new Expectations()
  expect(expected.satisfied('a', 0)).toBe(true)
  expected.expectCreations('a', 2, 0)
  expected.expectDeletions('a', ['u1'], 0)
  expected.creationSeen('a')
  expected.creationSeen('a')
  expect(expected.satisfied('a', 0)).toBe(false)
  expected.deletionSeen('a', 'other')
  expect(expected.satisfied('a', 0)).toBe(false)
  expected.deletionSeen('a', 'u1')
  expect(expected.satisfied('a', 0)).toBe(true)
})

test('what is never seen is forgotten after five minutes', () => {
  const expected = new Expectations()
  expected.expectCreations('a', 1, 0)
  expect(expected.satisfied('a', 300_000)).toBe(false)
  expect(expected.satisfied('a', 300_001)).toBe(true)
})

test('controllers are apart from each other', () => {
  const expected = new Expectations()
  expected.expectCreations('a', 1, 0)
  expect(expected.satisfied('b', 0)).toBe(true)
  expected.forget('a')
  expect(expected.satisfied('a', 0)).toBe(true)
})
