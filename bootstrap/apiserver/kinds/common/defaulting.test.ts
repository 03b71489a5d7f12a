import { expect, test } from '@jest/globals'
import { fill, fillZero } from './defaulting.ts'

test.each([
  ['an absent field', {}, { a: 'x' }, { a: 'x' }],
  ['an empty string', { a: '' }, { a: 'x' }, { a: 'x' }],
  ['a field that is there', { a: 'y' }, { a: 'x' }, { a: 'y' }],
  ['nothing to fill in', { b: 'y' }, { a: undefined }, { b: 'y' }],
])('fill: %s', (_, target: { a?: string; b?: string }, values, result) => {
  fill(target, values)
  expect(target).toStrictEqual(result)
})

test.each([
  ['zero', { a: 0 }, { a: 5 }, { a: 5 }],
  ['another number', { a: 1 }, { a: 5 }, { a: 1 }],
  ['nothing to fill in', {}, { a: undefined }, {}],
])('fillZero: %s', (_, target: { a?: number }, values, result) => {
  fillZero(target, values)
  expect(target).toStrictEqual(result)
})
