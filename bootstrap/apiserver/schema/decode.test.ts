import { describe, expect, test } from '@jest/globals'
import { StatusError } from '../../api/errors.ts'
import { coerce, parseJsonStrict, strictFindings } from './decode.ts'
import { canonicalQuantity } from './quantity.ts'
import { schemaOf } from './registry.ts'
import type { Schema } from './schema.ts'

const pod = schemaOf('io.k8s.api.core.v1.Pod')
const deployment = schemaOf('io.k8s.api.apps.v1.Deployment')
const service = schemaOf('io.k8s.api.core.v1.Service')
const secret = schemaOf('io.k8s.api.core.v1.Secret')
const priority = schemaOf('io.k8s.api.scheduling.v1.PriorityClass')
const lease = schemaOf('io.k8s.api.coordination.v1.Lease')
const definition = schemaOf('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition')

describe('parseJsonStrict', () => {
  test.each<[text: string, duplicates: string[]]>([
    ['{"spec":{"x":1,"y":[1,{"a":"}"}],"x":2}}', ['duplicate field "spec.x"']],
    ['{"a":[{"b":1},{"b":1,"b":2}]}', ['duplicate field "a[1].b"']],
    ['{"a":"\\"a\\":","\\u0061":1}', ['duplicate field "a"']],
    ['{"a":{"b":1},"c":{"b":1}}', []],
    [' {"a" : 1 , "a" : 2, "a":3} ', ['duplicate field "a"']],
    ['[]', []],
    ['{"a\\\\":"\\"b\\":","__proto__":{}}', []],
    ['{"a\\\\":1,"a\\\\":"\\":"}', ['duplicate field "a\\\\"']],
  ])('%s', (text, duplicates) => {
    expect(parseJsonStrict(text)).toMatchObject({ value: JSON.parse(text), duplicates })
    expect(parseJsonStrict(text, false).duplicates).toEqual([])
  })

  test.each([
    ['[', ']'],
    ['{"a":', '}'],
  ])('nesting by %s has an end', (open, close) => {
    const nested = (depth: number) => `${open.repeat(depth)}"[[\\"[["${close.repeat(depth)}`
    expect(parseJsonStrict(nested(1000)).duplicates).toEqual([])
    for (const depth of [1001, 200_000]) expect(() => parseJsonStrict(nested(depth))).toThrow('exceeded max depth')
    const flat = `[${`"${'['.repeat(2000)}\\\\",`.repeat(3)}1]`
    expect(parseJsonStrict(flat).value).toHaveLength(4)
  })

  test('text that is not JSON is a bad request', () => {
    expect(() => parseJsonStrict('{')).toThrow(StatusError)
  })
})

describe('strictFindings', () => {
  test.each<[name: string, schema: Schema, object: unknown, findings: string[]]>([
    ['known fields', pod, { kind: 'Pod', metadata: { labels: { any: 'x' } }, spec: {} }, []],
    ['unknown fields', pod, { foo: 1, spec: { bar: 1 } }, ['unknown field "foo"', 'unknown field "spec.bar"']],
    [
      'inside lists',
      pod,
      { spec: { containers: [{ name: 'a' }, { Image: 'b' }] } },
      ['unknown field "spec.containers[1].Image"'],
    ],
    ['names of built-in properties', pod, { constructor: 1 }, ['unknown field "constructor"']],
    ['free JSON', schemaOf('io.k8s.api.apps.v1.ControllerRevision'), { data: { anything: 1 } }, []],
    [
      'schemas in definitions',
      definition,
      { spec: { versions: [{ schema: { openAPIV3Schema: { items: { nope: 1 } } } }] } },
      ['unknown field "spec.versions[0].schema.openAPIV3Schema.items.nope"'],
    ],
  ])('%s', (_, schema, object, findings) => {
    expect(strictFindings(schema, object)).toEqual(findings)
  })

  test('custom types', () => {
    const custom: Schema = {
      type: 'object',
      validation: {},
      properties: {
        apiVersion: { type: 'string', validation: {} },
        kind: { type: 'string', validation: {} },
        metadata: schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'),
        spec: {
          type: 'object',
          validation: {},
          properties: { open: { type: 'object', validation: {}, preserveUnknownFields: true } },
        },
      },
    }
    const object = { apiVersion: 'v', kind: 'K', metadata: { nope: 1 }, spec: { open: { any: 1 }, shut: 1 } }
    expect(strictFindings(custom, object)).toEqual(['unknown field "metadata.nope"', 'unknown field "spec.shut"'])
    expect(coerce(custom, object)).toEqual({ apiVersion: 'v', kind: 'K', metadata: {}, spec: { open: { any: 1 } } })
  })
})

describe('coerce', () => {
  test.each<[name: string, schema: Schema, object: object, result: object]>([
    ['drops unknown fields and nulls', pod, { spec: null, foo: 1, status: { phase: 'x' } }, { status: { phase: 'x' } }],
    [
      'nulls inside maps and lists are zero values',
      pod,
      { metadata: { labels: { a: null }, finalizers: [null] } },
      { metadata: { labels: { a: '' }, finalizers: [''] } },
    ],
    [
      'drops what omitempty drops',
      deployment,
      { metadata: { labels: {} }, spec: { replicas: 0, minReadySeconds: 0, paused: false } },
      { metadata: {}, spec: { replicas: 0 } },
    ],
    [
      'keeps empty managedFields, which reset them',
      deployment,
      { metadata: { managedFields: [] }, spec: { template: { metadata: { managedFields: [] } } } },
      { metadata: { managedFields: [] }, spec: { template: { metadata: {} } } },
    ],
    [
      'keeps empty required values and pointers',
      pod,
      { spec: { containers: [], securityContext: {}, hostNetwork: false } },
      { spec: { containers: [], securityContext: {} } },
    ],
    ['keeps zero where Go writes it', priority, { value: 0, globalDefault: false }, { value: 0 }],
    [
      'makes quantities canonical',
      pod,
      { spec: { containers: [{ name: 'a', resources: { limits: { cpu: 1.5, memory: '2048Ki' } } }] } },
      { spec: { containers: [{ name: 'a', resources: { limits: { cpu: '1500m', memory: '2Mi' } } }] } },
    ],
    [
      'times are UTC in seconds',
      pod,
      { metadata: { creationTimestamp: '2024-01-02T03:04:05.9+01:00' } },
      { metadata: { creationTimestamp: '2024-01-02T02:04:05Z' } },
    ],
    [
      'micro times have six digits',
      lease,
      { spec: { renewTime: '2024-01-02T03:04:05.1234567Z' } },
      { spec: { renewTime: '2024-01-02T03:04:05.123456Z' } },
    ],
    ['base64 loses its line breaks', secret, { data: { a: 'YQ=\n=' } }, { data: { a: 'YQ==' } }],
    [
      'keeps free JSON',
      schemaOf('io.k8s.api.apps.v1.ControllerRevision'),
      { data: { a: null } },
      { data: { a: null } },
    ],
  ])('%s', (_, schema, object, result) => {
    expect(coerce(schema, object)).toEqual(result)
  })

  test('a field that is undefined is absent', () => {
    const status = { observedGeneration: undefined }
    expect(coerce(pod, { apiVersion: 'v1', kind: 'Pod', status })).toStrictEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      status: {},
    })
  })

  test('an object that needs no change is returned as it is', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] },
    }
    expect(coerce(pod, object)).toBe(object)
  })

  test.each<[schema: Schema, object: object, message: string]>([
    [
      deployment,
      { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 'three' } },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        spec: { template: { spec: { containers: [{ env: [{ value: true }] }] } } },
      },
      'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      pod,
      { apiVersion: 'v1', kind: 'Pod', metadata: { labels: { a: 1 } } },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    [
      pod,
      { apiVersion: 'v1', kind: 'Pod', spec: { containers: {} } },
      'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container',
    ],
    [
      service,
      { apiVersion: 'v1', kind: 'Service', spec: { ports: [{ port: 1.5 }] } },
      'Service in version "v1" cannot be handled as a Service: json: cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.port of type int32',
    ],
    [
      pod,
      { apiVersion: 'v1', kind: 'Pod', spec: { overhead: { cpu: 'lots' } } },
      'Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression \'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$\'',
    ],
    [
      secret,
      { apiVersion: 'v1', kind: 'Secret', data: { a: 'a?==' } },
      'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 1',
    ],
  ])('%#: a value of the wrong type', (schema, object, message) => {
    let thrown: unknown
    try {
      coerce(schema, object)
    } catch (error) {
      thrown = error
    }
    expect((thrown as StatusError).status).toMatchObject({ code: 400, reason: 'BadRequest', message })
  })
})

test.each([
  ['1000m', '1'],
  ['0.5', '500m'],
  ['1.5Gi', '1536Mi'],
  ['1024Mi', '1Gi'],
  ['0.5Ki', '512'],
  ['1500Ki', '1500Ki'],
  ['1e3', '1e3'],
  ['12E5', '1200e3'],
  ['100M', '100M'],
  ['1000k', '1M'],
  ['0', '0'],
  ['-2000m', '-2'],
  ['.0000000001', '1n'],
  ['007', '7'],
  ['1.', '1'],
])('quantity %s is stored as %s', (text, stored) => {
  expect(canonicalQuantity(text)).toBe(stored)
})

test.each(['', 'x', '1 Gi', '1ki', '--1', '1.2.3'])('%j is no quantity', text => {
  expect(canonicalQuantity(text)).toBeUndefined()
})
