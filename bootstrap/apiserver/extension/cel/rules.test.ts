import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../../api/errors.ts'
import type { JSONSchemaProps } from '../../../api/types.gen.ts'
import { validateValue } from '../validate.ts'
import { escapeName } from './names.ts'
import { ruleErrors, validationRules } from './rules.ts'

const node = (props: JSONSchemaProps, rule: string, more: object = {}): JSONSchemaProps => ({
  ...props,
  'x-kubernetes-validations': [{ rule, ...more }],
})
const problems = (schema: JSONSchemaProps, value: unknown, old?: unknown) =>
  validateValue(schema, value, 'spec', { old, rules: validationRules(schema) }).map(fieldErrorText)
const object = (properties: { [name: string]: JSONSchemaProps }): JSONSchemaProps => ({ type: 'object', properties })

test('a rule that does not hold is named, unless it has a message', () => {
  const schema = node(object({ a: { type: 'integer' }, b: { type: 'integer' } }), 'self.a < self.b')
  expect(problems(schema, { a: 1, b: 2 })).toEqual([])
  expect(problems(schema, { a: 2, b: 2 })).toEqual(['spec: Invalid value: failed rule: self.a < self.b'])
  expect(problems(schema, { a: 2 })).toEqual([
    'spec: Invalid value: "object": no such key: b evaluating rule: self.a < self.b',
  ])
})

test('a scalar shows its value, an object does not', () => {
  const schema = object({ driver: node({ type: 'string' }, 'self == oldSelf', { message: 'driver is immutable' }) })
  expect(problems(schema, { driver: 'b' }, { driver: 'a' })).toEqual([
    'spec.driver: Invalid value: "b": driver is immutable',
  ])
  expect(problems(schema, { driver: 'b' })).toEqual([])
  expect(problems(schema, { driver: 'b' }, {})).toEqual([])
})

test('optionalOldSelf lets a rule speak of a value that was not there', () => {
  const rule = 'oldSelf.hasValue() || self != "late"'
  const schema = object({ phase: node({ type: 'string' }, rule, { optionalOldSelf: true }) })
  expect(problems(schema, { phase: 'late' })).toHaveLength(1)
  expect(problems(schema, { phase: 'late' }, { phase: 'early' })).toEqual([])
})

test('an expression that costs too much is stopped', () => {
  const all = (inner: string) => `self.all(x, ${inner})`
  const schema = node({ type: 'array', items: { type: 'integer' } }, all(all(all('x >= 0'))))
  const many = Array.from({ length: 150 }, (_, index) => index)
  expect(problems(schema, many)).toEqual([expect.stringContaining('operation cancelled: actual cost limit exceeded')])
})

describe('names', () => {
  test.each([
    ['a', 'a'],
    ['a-b', 'a__dash__b'],
    ['a.b/c', 'a__dot__b__slash__c'],
    ['a__b', 'a__underscores__b'],
    ['if', '__if__'],
    ['1a', undefined],
    ['a b', undefined],
  ])('%s is written %s', (name, escaped) => {
    expect(escapeName(name)).toBe(escaped)
  })
})

test.each<[string, JSONSchemaProps, string | undefined]>([
  ['self.a', object({ a: { type: 'boolean' } }), undefined],
  ['self.a', object({ a: { 'x-kubernetes-int-or-string': true } }), undefined],
  ['self.a.b', object({ a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }), "undefined field 'b'"],
  ['self.metadata.labels == null', object({}), "undefined field 'metadata'"],
])('%s is checked against its schema', (rule, props, message) => {
  const found = [...ruleErrors(node(props, rule), false, 'x')].map(fieldErrorText)
  expect(found).toEqual(message === undefined ? [] : [expect.stringContaining(message)])
})
