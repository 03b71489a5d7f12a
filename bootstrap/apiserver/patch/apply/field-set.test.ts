import { describe, expect, test } from '@jest/globals'
import {
  difference,
  type FieldSet,
  intersection,
  isFieldSet,
  pathsOf,
  sameSet,
  setOfPaths,
  subtract,
  union,
} from './field-set.ts'
import { pathText } from './path.ts'

/** A set from texts like "a.b", "a.b/" being a path that is only a parent. */
const set = (...paths: string[]): FieldSet => setOfPaths(paths.map(path => path.split('.').map(name => `f:${name}`)))
const texts = (fields: FieldSet) => [...pathsOf(fields)].map(path => pathText(path).slice(1)).sort()

describe('field sets', () => {
  test('a path with children is a member only with a dot', () => {
    expect(set('a.b')).toEqual({ 'f:a': { 'f:b': {} } })
    expect(set('a', 'a.b')).toEqual({ 'f:a': { '.': {}, 'f:b': {} } })
    expect(set('a.b', 'a')).toEqual({ 'f:a': { '.': {}, 'f:b': {} } })
  })

  test.each([
    [union, ['a', 'b.c'], ['b', 'b.d'], ['a', 'b', 'b.c', 'b.d']],
    [union, [], ['a'], ['a']],
    [difference, ['a', 'a.b', 'c'], ['a'], ['a.b', 'c']],
    [difference, ['a', 'a.b'], ['a.b'], ['a']],
    [difference, ['a', 'a.b'], ['a', 'a.b'], []],
    [subtract, ['a', 'a.b', 'c'], ['a'], ['c']],
    [subtract, ['a', 'a.b', 'c'], ['a.b'], ['a', 'c']],
    [intersection, ['a', 'a.b', 'c'], ['a', 'c.d'], ['a']],
    [intersection, ['a.b', 'a.c'], ['a.c', 'a.d'], ['a.c']],
  ] as const)('%o', (operate, a, b, expected) => {
    const left = set(...a)
    const before = structuredClone(left)
    expect(texts(operate(left, set(...b)))).toEqual(expected)
    expect(left).toEqual(before)
  })

  test('an operation that changes nothing returns its argument', () => {
    const a = set('a', 'b.c')
    expect(union(a, set('b.c'))).toBe(a)
    expect(difference(a, set('b', 'x'))).toBe(a)
    expect(sameSet(a, set('b.c', 'a'))).toBe(true)
    expect(sameSet(a, set('b.c', 'a', 'b'))).toBe(false)
  })

  test('elements stay in order', () => {
    expect(Object.keys(union(set('b'), set('a', 'c')))).toEqual(['f:a', 'f:b', 'f:c'])
  })

  test('the stored form is recognised', () => {
    expect(isFieldSet({ 'f:a': { '.': {}, 'k:{"name":"x"}': {}, 'v:1': {}, 'i:0': {} } })).toBe(true)
    expect(isFieldSet({ a: {} })).toBe(false)
    expect(isFieldSet({ 'f:a': 1 })).toBe(false)
  })

  test('paths read like upstream prints them', () => {
    expect(pathText(['f:spec', 'k:{"containerPort":80,"protocol":"TCP"}', 'f:a', 'v:"x"', 'i:3'])).toBe(
      '.spec[containerPort=80,protocol="TCP"].a[="x"][3]',
    )
  })
})
