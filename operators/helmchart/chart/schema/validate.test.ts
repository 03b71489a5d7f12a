import { describe, expect, test } from '@jest/globals'
import type { Chart } from '../chart.ts'
import { userValues } from '../values.ts'
import { formatProblem } from './formats.ts'
import { validateValues } from './validate.ts'

const chart = (name: string, schema: unknown, dependencies: Chart[] = []): Chart => ({
  metadata: { name, version: '1.0.0', apiVersion: 'v2' },
  values: {},
  ...(schema === undefined ? {} : { schema: Buffer.from(JSON.stringify(schema)) }),
  templates: [],
  files: [],
  dependencies,
})

/** What Helm prints for a chart named "web", without its first line. */
function problems(schema: unknown, yaml: string): string[] {
  try {
    validateValues(chart('web', schema), structuredClone(userValues({ files: [{ name: 'v', text: yaml }] })) as never)
    return []
  } catch (error) {
    return (error as Error).message
      .replace(/^web:\n/, '')
      .trimEnd()
      .split('\n')
  }
}

const draft7 = { $schema: 'http://json-schema.org/draft-07/schema#' }

describe('keywords', () => {
  test.each<[unknown, string, string[]]>([
    [{ required: ['x', 'y'] }, '{}', ["- at '': missing properties 'x', 'y'"]],
    [
      { properties: { port: { type: 'integer', maximum: 65535 } } },
      'port: 70000',
      ["- at '/port': maximum: got 70,000, want 65,535"],
    ],
    [{ properties: { port: { type: 'integer' } } }, 'port: 1.5', ["- at '/port': got number, want integer"]],
    [{ properties: { a: { type: ['string', 'null'] } } }, 'a: 1', ["- at '/a': got number, want null or string"]],
    [{ properties: { a: { minimum: 1234567.5 } } }, 'a: 0', ["- at '/a': minimum: got 0, want 1.2345675×10⁰⁶"]],
    [{ properties: { a: { enum: ['x', 1, null] } } }, 'a: z', ["- at '/a': value must be one of 'x', 1, <nil>"]],
    [{ properties: { a: { const: [1] } } }, 'a: [2]', ["- at '/a': 'const' failed"]],
    [{ properties: { a: { multipleOf: 0.1 } } }, 'a: 0.3', []],
    [{ properties: { a: { pattern: '^a\'"b' } } }, 'a: x', ["- at '/a': 'x' does not match pattern '^a\\'\"b'"]],
    [
      { additionalProperties: false, properties: { a: {} }, patternProperties: { '^x-': {} } },
      '{a: 1, x-b: 2, c: 3, d: 4}',
      ["- at '': additional properties 'c', 'd' not allowed"],
    ],
    [
      { properties: { a: { items: { type: 'string' }, uniqueItems: true } } },
      'a: [1, 1]',
      [
        "- at '/a': items at 0 and 1 are equal",
        "- at '/a/0': got number, want string",
        "- at '/a/1': got number, want string",
      ],
    ],
    [
      { ...draft7, properties: { a: { items: [{ type: 'string' }], additionalItems: false } } },
      'a: [x, 1]',
      ["- at '/a': last 1 additionalItem(s) not allowed"],
    ],
    [
      { properties: { a: { prefixItems: [{ type: 'string' }], items: false } } },
      'a: [x, 1]',
      ["- at '/a/0': false schema"],
    ],
    [
      { properties: { a: { contains: { type: 'string' } } } },
      'a: [1]',
      ["- at '/a': no items match contains schema", "  - at '/a/0': got number, want string"],
    ],
    [
      { properties: { a: { anyOf: [{ type: 'string' }, { $ref: '#/$defs/k' }] } }, $defs: { k: { type: 'object' } } },
      'a: 5',
      ["- at '/a': 'anyOf' failed", "  - at '/a': got number, want string", "  - at '/a': got number, want object"],
    ],
    [
      { oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      '{a: 1, b: 2}',
      ["- at '': 'oneOf' failed, subschemas 0, 1 matched"],
    ],
    [
      { oneOf: [{ required: ['a'] }] },
      '{}',
      ["- at '': 'oneOf' failed, none matched", "  - at '': missing property 'a'"],
    ],
    [{ properties: { a: { not: { type: 'string' } } } }, 'a: x', ["- at '/a': 'not' failed"]],
    [
      // biome-ignore lint/suspicious/noThenProperty: the keyword is called so
      { if: { required: ['a'] }, then: { required: ['b'] }, else: { required: ['c'] } },
      'a: 1',
      ["- at '': missing property 'b'"],
    ],
    [
      { propertyNames: { pattern: '^x' } },
      'a: 1',
      ["- at '': invalid propertyName 'a'", "  - at '': 'a' does not match pattern '^x'"],
    ],
    [{ ...draft7, properties: { a: { $ref: '#', const: 1 } } }, 'a: 2', ["- at '/a': value must be 1"]],
    [{ dependentRequired: { a: ['b'] } }, 'a: 1', ["- at '': properties 'b' required, if 'a' exists"]],
    [{ ...draft7, dependencies: { a: ['b'] } }, 'a: 1', ["- at '': properties 'b' required, if 'a' exists"]],
    [{ allOf: [{ properties: { a: {} } }], unevaluatedProperties: false }, '{a: 1, b: 2}', ["- at '/b': false schema"]],
    [
      {
        ...draft7,
        properties: { a: { $ref: '#/definitions/x', type: 'string' } },
        definitions: { x: { type: 'number' } },
      },
      'a: 1',
      [],
    ],
    [
      { ...draft7, properties: { a: { format: 'ipv4' } } },
      'a: 1.2.3',
      ["- at '/a': '1.2.3' is not valid ipv4: expected four decimals"],
    ],
    [{ properties: { a: { format: 'ipv4' } } }, 'a: x', []],
    [
      { $id: 'https://e.com/s', properties: { a: { $ref: 'b' } }, $defs: { x: { $id: 'b', type: 'string' } } },
      'a: 1',
      ["- at '/a': got number, want string"],
    ],
    [
      { properties: { a: { $ref: '#foo' } }, $defs: { x: { $anchor: 'foo', type: 'string' } } },
      'a: 1',
      ["- at '/a': got number, want string"],
    ],
    [{ properties: { a: { $ref: '#' } }, required: ['b'] }, '{a: {}, b: 1}', ["- at '/a': missing property 'b'"]],
    [
      { $ref: '#/definitions/nope' },
      '{}',
      ['json-pointer in "file:///values.schema.json#/definitions/nope" not found'],
    ],
    [
      { $ref: 'https://example.com/x.json' },
      '{}',
      ['failing loading "https://example.com/x.json": schemas outside of the chart are not fetched'],
    ],
    [{ $ref: 'urn:x' }, '{}', []],
    [false, '{}', ["- at '': false schema"]],
  ])('%j with %s', (schema, yaml, lines) => {
    expect(problems(schema, yaml)).toEqual(lines)
  })

  test('a schema that refers to itself ends', () => {
    expect(problems({ $ref: '#' }, '{}')[0]).toMatch(/reference cycle/)
  })
})

test('integers of --set are numbers', () => {
  const schema = { properties: { a: { type: 'integer', minimum: 2, enum: [3] } } }
  const values = (text: string) => structuredClone(userValues({ set: [text] })) as never
  expect(() => validateValues(chart('web', schema), values('a=3'))).not.toThrow()
  expect(() => validateValues(chart('web', schema), values('a=1'))).toThrow('value must be 3')
})

test('subcharts are checked against their own schemas', () => {
  const sub = chart('sub', { required: ['a'] })
  const parent = chart('web', { required: ['b'] }, [sub, chart('free', undefined)])
  expect(() => validateValues(parent, { sub: {} })).toThrow(
    "web:\n- at '': missing property 'b'\nsub:\n- at '': missing property 'a'\n",
  )
  expect(() => validateValues(parent, { b: 1, sub: 'x' })).toThrow(
    'sub:\ninvalid type for values: expected object (map), got string\n',
  )
  expect(() => validateValues(parent, { b: 1 })).not.toThrow()
})

test.each<[string, string, string | undefined]>([
  ['date', '2024-02-30', 'parsing time "2024-02-30": day out of range'],
  ['date', '2024-02-29', undefined],
  ['time', '12:00:00Z', undefined],
  ['time', '23:59:60Z', undefined],
  ['time', '22:59:60Z', 'invalid leap second'],
  ['date-time', '2024-01-01T00:00:00+01:00', undefined],
  ['duration', 'P1DT2H', undefined],
  ['duration', 'P1H', "invalid unit 'H'"],
  ['uuid', '123', 'must have 5 elements'],
  ['hostname', 'a_b', "invalid character '_'"],
  ['email', 'a@b.c', undefined],
  ['email', 'a..b@c', 'consecutive dots'],
  ['ipv6', '::1', undefined],
  ['uri', 'http://a/b', undefined],
  ['uri', '/b', 'relative url'],
  ['uri-reference', '/b', undefined],
  ['json-pointer', '/a~2', '~ must be followed by 0 or 1'],
  ['regex', '(', 'error parsing regexp: missing closing ): `(`'],
  ['nobody-knows', 'x', undefined],
])('format %s of %s', (format, text, problem) => {
  expect(formatProblem(format, text)).toBe(problem)
})
