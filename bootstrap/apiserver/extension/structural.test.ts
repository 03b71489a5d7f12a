import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../api/errors.ts'
import type { JSONSchemaProps } from '../../api/types.gen.ts'
import { coerce, strictFindings } from '../schema/decode.ts'
import { applyDefaults, hasDefaults } from './defaulting.ts'
import { structuralSchema } from './structural.ts'
import { structuralErrors } from './structural-rules.ts'

const text = { type: 'string' }
const root = (spec: JSONSchemaProps): JSONSchemaProps => ({ type: 'object', properties: { spec } })
const object = (spec: unknown) => ({ apiVersion: 'e.io/v1', kind: 'Thing', metadata: { name: 'a' }, spec })

describe('structural schemas', () => {
  test('every keyword that apply, pruning and defaulting need', () => {
    const schema = structuralSchema(
      root({
        type: 'object',
        nullable: true,
        required: ['a'],
        properties: {
          a: { type: 'string', default: 'x', format: 'date' },
          ports: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['port'],
            items: { type: 'object', properties: { port: { 'x-kubernetes-int-or-string': true } } },
          },
          labels: { type: 'object', 'x-kubernetes-map-type': 'atomic', additionalProperties: text },
          open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          free: { 'x-kubernetes-preserve-unknown-fields': true },
        },
      }),
    )
    expect(schema.properties?.metadata?.name).toBe('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')
    expect(schema.properties?.spec).toMatchObject({
      type: 'object',
      nullable: true,
      required: ['a'],
      properties: {
        a: { type: 'string', default: 'x', format: 'date' },
        ports: {
          type: 'array',
          listType: 'map',
          listMapKeys: ['port'],
          items: { properties: { port: { type: 'intOrString' } } },
        },
        labels: { type: 'map', mapType: 'atomic', additional: { type: 'string' } },
        open: { type: 'object', preserveUnknownFields: true },
        free: { type: 'any', preserveUnknownFields: true },
      },
    })
  })

  test('unspecified fields are found and pruned, except where they are preserved', () => {
    const schema = structuralSchema(
      root({
        type: 'object',
        properties: {
          a: text,
          list: { type: 'array', items: { type: 'object', properties: { b: text } } },
          map: { type: 'object', additionalProperties: { type: 'object', properties: { c: text } } },
          open: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: { closed: { type: 'object', properties: { d: text } } },
          },
          embedded: { type: 'object', 'x-kubernetes-embedded-resource': true },
        },
      }),
    )
    const value = object({
      a: '1',
      x: 1,
      list: [{ b: '1', x: 1 }],
      map: { k: { c: '1', x: 1 } },
      open: { any: { x: 1 }, closed: { d: '1', x: 1 } },
      embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {} },
    })
    expect(strictFindings(schema, value)).toEqual([
      'unknown field "spec.x"',
      'unknown field "spec.list[0].x"',
      'unknown field "spec.map.k.x"',
      'unknown field "spec.open.closed.x"',
      'unknown field "spec.embedded.spec"',
    ])
    expect(coerce(schema, value)).toEqual(
      object({
        a: '1',
        list: [{ b: '1' }],
        map: { k: { c: '1' } },
        open: { any: { x: 1 }, closed: { d: '1' } },
        embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } },
      }),
    )
  })

  test('a version without a schema keeps everything', () => {
    const value = object({ x: { y: 1 } })
    expect(coerce(structuralSchema(undefined), value)).toEqual(value)
  })

  test.each<[string, JSONSchemaProps, unknown, unknown]>([
    ['absent fields', { type: 'object', properties: { a: { type: 'string', default: 'x' } } }, {}, { a: 'x' }],
    [
      'not what is below an absent one',
      { type: 'object', properties: { a: root({ type: 'string', default: 'x' }) } },
      {},
      {},
    ],
    [
      'a default, and what is below it',
      {
        type: 'object',
        properties: { a: { type: 'object', default: {}, properties: { b: { type: 'integer', default: 1 } } } },
      },
      {},
      { a: { b: 1 } },
    ],
    [
      'nulls that may not be',
      { type: 'object', properties: { a: { type: 'string', default: 'x' } } },
      { a: null },
      { a: 'x' },
    ],
    [
      'no nulls that may be',
      { type: 'object', properties: { a: { type: 'string', default: 'x', nullable: true } } },
      { a: null },
      { a: null },
    ],
    ['nulls without a default, by dropping them', { type: 'object', properties: { a: text } }, { a: null }, {}],
    [
      'items and entries',
      {
        type: 'object',
        properties: {
          list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string', default: 'x' } } } },
          map: {
            type: 'object',
            additionalProperties: { type: 'object', properties: { a: { type: 'string', default: 'y' } } },
          },
        },
      },
      { list: [{}, { a: '1' }], map: { k: {} } },
      { list: [{ a: 'x' }, { a: '1' }], map: { k: { a: 'y' } } },
    ],
    [
      'nothing that is set',
      { type: 'object', properties: { a: { type: 'boolean', default: true } } },
      { a: false },
      { a: false },
    ],
  ])('defaults fill %s', (_, spec, before, after) => {
    const value = object(before)
    applyDefaults(value, structuralSchema(root(spec)))
    expect(value).toEqual(object(after))
  })

  test('schemas without defaults are known', () => {
    expect(hasDefaults(structuralSchema(root(text)))).toBe(false)
    expect(hasDefaults(structuralSchema(root({ type: 'array', items: root({ type: 'string', default: 'x' }) })))).toBe(
      true,
    )
  })
})

describe('structural rules', () => {
  test.each<[JSONSchemaProps]>([
    [text],
    [{ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] }],
    [{ 'x-kubernetes-preserve-unknown-fields': true }],
    [{ 'x-kubernetes-int-or-string': true, allOf: [{ anyOf: [{ type: 'integer' }, { type: 'string' }] }] }],
    [
      {
        type: 'object',
        oneOf: [{ required: ['a'] }],
        properties: { a: { type: 'string', enum: ['x'], default: 'x' } },
      },
    ],
    [
      {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a', 'b'],
        items: { type: 'object', required: ['a'], properties: { a: text, b: { type: 'string', default: 'x' } } },
      },
    ],
  ])('%j is structural', spec => {
    expect([...structuralErrors(root(spec), 's')]).toEqual([])
  })

  const at = 's.properties[spec]'
  test.each<[JSONSchemaProps, string]>([
    [{}, `${at}.type: Required value: must not be empty for specified object fields`],
    [{ type: 'array', items: {} }, `${at}.items.type: Required value: must not be empty for specified array items`],
    [{ type: 'null' }, `${at}.type: Forbidden: type cannot be set to null, use nullable as an alternative`],
    [
      { type: 'text' },
      `${at}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    ],
    [{ type: 'string', pattern: '(' }, `${at}.pattern: Invalid value: "(": must be a valid regular expression`],
    [{ type: 'object', $ref: '#/x' }, `${at}.$ref: Forbidden: $ref is not supported`],
    [
      { type: 'array', items: text, uniqueItems: true },
      `${at}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
    ],
    [
      { type: 'object', properties: { a: text }, additionalProperties: text },
      `${at}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`,
    ],
    [
      { type: 'object', additionalProperties: false },
      `${at}.additionalProperties: Forbidden: additionalProperties cannot be set to false`,
    ],
    [
      { type: 'object', anyOf: [{ properties: { a: text } }] },
      `${at}.anyOf[0].properties[a].type: Forbidden: must be empty to be structural`,
    ],
    [{ type: 'object', not: { default: {} } }, `${at}.not.default: Forbidden: must be undefined to be structural`],
    [
      { type: 'string', 'x-kubernetes-list-type': 'set' },
      `${at}.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`,
    ],
    [
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'set' },
      `${at}.items.x-kubernetes-map-type: Invalid value: "": must be atomic as item of a list with x-kubernetes-list-type=set`,
    ],
    [
      { type: 'array', items: { type: 'object' }, 'x-kubernetes-list-type': 'map' },
      `${at}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`,
    ],
    [
      {
        type: 'array',
        items: { type: 'object', properties: { a: text } },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a'],
      },
      `${at}.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
    [
      { type: 'integer', default: 'x' },
      `${at}.default: Invalid value: "string": ${at}.default in body must be of type integer: "string"`,
    ],
    [{ type: 'object', default: { x: 1 } }, `${at}.default: Invalid value: {"x":1}: must not have unknown fields`],
    [
      { type: 'string', 'x-kubernetes-embedded-resource': true },
      `${at}.type: Invalid value: "string": must be object if x-kubernetes-embedded-resource is true`,
    ],
  ])('%j is not', (spec, message) => {
    expect([...structuralErrors(root(spec), 's')].map(fieldErrorText)).toEqual([message])
  })

  test('the root is an object and leaves metadata alone', () => {
    expect([...structuralErrors({}, 's')].map(fieldErrorText)).toEqual([
      's.type: Required value: must not be empty at the root',
    ])
    expect([...structuralErrors({ type: 'string' }, 's')].map(fieldErrorText)).toEqual([
      's.type: Invalid value: "string": must be object at the root',
    ])
    const metadata = { type: 'object', properties: { labels: { type: 'object' } } }
    expect([...structuralErrors({ type: 'object', properties: { metadata } }, 's')].map(fieldErrorText)).toEqual([
      's.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
    ])
  })
})
