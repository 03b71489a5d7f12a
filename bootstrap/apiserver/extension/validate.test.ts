import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../api/errors.ts'
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { validateValue } from './validate.ts'

const errorsOf = (spec: JSONSchemaProps, value: unknown, old?: unknown) =>
  validateValue(
    { type: 'object', properties: { x: spec } },
    { x: value },
    '',
    old === undefined ? {} : { old: { x: old } },
  ).map(fieldErrorText)

const text = { type: 'string' }
const intOrString: JSONSchemaProps = { 'x-kubernetes-int-or-string': true }

describe('values that fit', () => {
  test.each<[JSONSchemaProps, unknown]>([
    [text, 'a'],
    [{ type: 'integer' }, 3],
    [{ type: 'number' }, 3],
    [{ type: 'number' }, 1.5],
    [{ type: 'string', nullable: true }, null],
    [intOrString, 1],
    [intOrString, '50%'],
    [{ 'x-kubernetes-preserve-unknown-fields': true }, { a: [1] }],
    [{ type: 'string', maxLength: 2 }, '😀😀'],
    [{ type: 'string', pattern: '^(?i)A' }, 'A'],
    [{ type: 'string', pattern: 'b' }, 'abc'],
    [{ type: 'string', format: 'date-time' }, '2026-01-02T03:04:05+01:00'],
    [{ type: 'string', format: 'made-up' }, 'x'],
    [{ type: 'number', multipleOf: 0.5 }, 1.5],
    [{ type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1 }],
    [{ type: 'object', additionalProperties: text }, { k: 'v' }],
  ])('%j takes %j', (schema, value) => {
    expect(errorsOf(schema, value)).toEqual([])
  })
})

describe('messages are upstream’s', () => {
  test.each<[JSONSchemaProps, unknown, string[]]>([
    [{ type: 'integer' }, 'a', ['x: Invalid value: "string": x in body must be of type integer: "string"']],
    [{ type: 'integer' }, 1.5, ['x: Invalid value: "number": x in body must be of type integer: "number"']],
    [text, null, ['x: Invalid value: "null": x in body must be of type string: "null"']],
    [text, [], ['x: Invalid value: "array": x in body must be of type string: "array"']],
    [intOrString, true, ['x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"']],
    [{ type: 'string', enum: ['a', 'b'] }, 'z', ['x: Unsupported value: "z": supported values: "a", "b"']],
    [{ type: 'string', maxLength: 1 }, 'ab', ['x: Too long: may not be more than 1 bytes']],
    [{ type: 'string', minLength: 3 }, 'ab', ['x: Invalid value: "ab": x in body should be at least 3 chars long']],
    [{ type: 'string', pattern: '^a$' }, 'b', [`x: Invalid value: "b": x in body should match '^a$'`]],
    [{ type: 'string', format: 'ipv4' }, 'b', ['x: Invalid value: "b": x in body must be of type ipv4: "b"']],
    [
      { type: 'string', format: 'date-time' },
      'now',
      ['x: Invalid value: "now": x in body must be of type date-time: "now"'],
    ],
    [{ type: 'integer', minimum: 1 }, 0, ['x: Invalid value: 0: x in body should be greater than or equal to 1']],
    [
      { type: 'integer', minimum: 1, exclusiveMinimum: true },
      1,
      ['x: Invalid value: 1: x in body should be greater than 1'],
    ],
    [{ type: 'integer', maximum: 5 }, 6, ['x: Invalid value: 6: x in body should be less than or equal to 5']],
    [
      { type: 'integer', maximum: 5, exclusiveMaximum: true },
      5,
      ['x: Invalid value: 5: x in body should be less than 5'],
    ],
    [{ type: 'integer', multipleOf: 2 }, 3, ['x: Invalid value: 3: x in body should be a multiple of 2']],
    [{ type: 'array', items: text, maxItems: 1 }, ['a', 'b'], ['x: Too many: 2: must have at most 1 item']],
    [{ type: 'array', items: text, minItems: 1 }, [], ['x: Invalid value: 0: x in body should have at least 1 items']],
    [
      { type: 'array', items: text },
      ['a', 1],
      ['x[1]: Invalid value: "integer": x[1] in body must be of type string: "integer"'],
    ],
    [{ type: 'object', required: ['a'] }, {}, ['x.a: Required value']],
    [
      { type: 'object', minProperties: 2 },
      { a: 1 },
      ['x: Invalid value: 1: x in body should have at least 2 properties'],
    ],
    [{ type: 'object', maxProperties: 1 }, { a: 1, b: 2 }, ['x: Too many: 2: must have at most 1 item']],
    [
      { type: 'object', additionalProperties: text },
      { k: 1 },
      ['x.k: Invalid value: "integer": x.k in body must be of type string: "integer"'],
    ],
    [{ type: 'array', items: text, 'x-kubernetes-list-type': 'set' }, ['a', 'b', 'a'], ['x[2]: Duplicate value: "a"']],
    [
      {
        type: 'array',
        items: { type: 'object', properties: { n: text, p: { type: 'string', default: 'TCP' } } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['n', 'p'],
      },
      [{ n: 'a' }, { n: 'a', p: 'TCP' }],
      ['x[1]: Duplicate value: {"n":"a","p":"TCP"}'],
    ],
    [
      { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      { kind: 'Pod' },
      ['x.apiVersion: Required value: must not be empty'],
    ],
    [
      { type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 1 }] },
      3,
      [
        '<nil>: Invalid value: "": "x" must validate at least one schema (anyOf)',
        'x: Invalid value: 3: x in body should be greater than or equal to 5',
      ],
    ],
    [
      { type: 'object', oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      { a: 1, b: 1 },
      ['<nil>: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      { type: 'object', oneOf: [{ required: ['a'] }] },
      {},
      [
        '<nil>: Invalid value: "": "x" must validate one and only one schema (oneOf). Found none valid',
        'x.a: Required value',
      ],
    ],
    [
      { type: 'object', allOf: [{ required: ['a'] }] },
      {},
      ['x.a: Required value', '<nil>: Invalid value: "": "x" must validate all the schemas (allOf)'],
    ],
    [
      { type: 'object', not: { required: ['a'] } },
      { a: 1 },
      ['<nil>: Invalid value: "": "x" must not validate the schema (not)'],
    ],
  ])('%j refuses %j', (schema, value, messages) => {
    expect(errorsOf(schema, value)).toEqual(messages)
  })
})

describe('ratcheting', () => {
  const strict: JSONSchemaProps = { type: 'object', properties: { a: { type: 'string', maxLength: 1 }, b: text } }
  const keyed: JSONSchemaProps = {
    type: 'array',
    items: { type: 'object', properties: { n: text, v: { type: 'integer', minimum: 5 } } },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['n'],
  }

  test('what was invalid before may stay', () => {
    expect(errorsOf(strict, { a: 'long', b: '2' }, { a: 'long', b: '1' })).toEqual([])
    expect(errorsOf(strict, { a: 'longer' }, { a: 'long' })).toHaveLength(1)
    expect(errorsOf(strict, { a: 'long' }, {})).toHaveLength(1)
  })

  test('keyed items are compared with themselves, others with nothing', () => {
    expect(
      errorsOf(
        keyed,
        [
          { n: 'b', v: 9 },
          { n: 'a', v: 1 },
        ],
        [{ n: 'a', v: 1 }],
      ),
    ).toEqual([])
    expect(errorsOf(keyed, [{ n: 'a', v: 2 }], [{ n: 'a', v: 1 }])).toHaveLength(1)
    const plain = { ...keyed, 'x-kubernetes-list-type': 'atomic' }
    expect(
      errorsOf(
        plain,
        [
          { n: 'b', v: 9 },
          { n: 'a', v: 1 },
        ],
        [{ n: 'a', v: 1 }],
      ),
    ).toHaveLength(1)
  })
})

test('further rules get every node that has some', () => {
  const seen: unknown[] = []
  const schema = {
    type: 'object',
    properties: { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'true' }] } },
  }
  const rules = (_: unknown, value: unknown, old: unknown, path: string) => {
    seen.push([path, value, old])
    return []
  }
  validateValue(schema, { a: '2' }, '', { old: { a: '1' }, rules })
  expect(seen).toEqual([['a', '2', '1']])
})
