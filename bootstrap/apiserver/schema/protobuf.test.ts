import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { coerce } from './decode.ts'
import { decodeProtobuf, encodeProtobuf } from './protobuf.ts'
import { kindRegistry } from './registry.ts'

const testdata = join(import.meta.dirname, '../../../../shared/testdata/kubernetes-api')
const registry = kindRegistry()

/** Upstream's file name of a kind: "core.v1.Pod". */
const fileOf = (group: string, version: string, kind: string) => `${group === '' ? 'core' : group}.${version}.${kind}`

/** Kinds upstream has no sample of. */
const withoutSample = new Set([
  'apiregistration.k8s.io.v1.APIService',
  'apiextensions.k8s.io.v1.CustomResourceDefinition',
])
const served = [...registry.all()].filter(
  ({ group, version, kind }) => !withoutSample.has(fileOf(group, version, kind)),
)
const below = [
  'autoscaling/v1/Scale',
  'policy/v1/Eviction',
  'authentication.k8s.io/v1/TokenRequest',
  '/v1/DeleteOptions',
  '/v1/Status',
]
const others = below.map(name => {
  const [group = '', version = '', kind = ''] = name.split('/')
  return registry.byKind(group, version, kind)!
})

if (!existsSync(testdata)) test.skip(`upstream's samples are not at ${testdata}`, () => undefined)
else
  describe("upstream's samples", () => {
    test.each([...served, ...others].map(kind => [fileOf(kind.group, kind.version, kind.kind), kind] as const))(
      '%s',
      (file, kind) => {
        const json = JSON.parse(readFileSync(join(testdata, `${file}.json`), 'utf8')) as {
          apiVersion: string
          kind: string
        }
        const protobuf = readFileSync(join(testdata, `${file}.pb`))
        const known = coerce(kind.schema, json)
        const { apiVersion, kind: name, object } = decodeProtobuf(protobuf)
        expect({ apiVersion, kind: name }).toEqual({ apiVersion: json.apiVersion, kind: json.kind })
        expect(object).toEqual(known)
        const encoded = encodeProtobuf(known)
        expect(decodeProtobuf(encoded).object).toEqual(known)
        const newerFields = JSON.stringify(known).length < JSON.stringify(json).length
        if (!newerFields) expect(encoded.equals(protobuf)).toBe(true)
      },
    )

    test('most kinds encode to the very bytes', () => {
      const samples = readdirSync(testdata).filter(file =>
        served.some(k => `${fileOf(k.group, k.version, k.kind)}.json` === file),
      )
      const same = samples.filter(file => {
        const json = JSON.parse(readFileSync(join(testdata, file), 'utf8'))
        return encodeProtobuf(json).equals(readFileSync(join(testdata, file.replace(/json$/, 'pb'))))
      })
      expect(same.length).toBeGreaterThan(samples.length * 0.75)
    })
  })

test('a CustomResourceDefinition keeps its schema', () => {
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              'x-kubernetes-preserve-unknown-fields': true,
              properties: {
                a: { type: 'array', items: { type: 'string', enum: ['x', 1, null] }, maxItems: 0 },
                b: { type: 'object', additionalProperties: false, default: { c: [1] } },
                c: { type: 'object', additionalProperties: { 'x-kubernetes-int-or-string': true } },
                d: { $ref: '#/x', items: [{ type: 'string' }, { type: 'integer', maximum: 1.5 }] },
              },
            },
          },
        },
      ],
    },
  }
  expect(decodeProtobuf(encodeProtobuf(definition)).object).toEqual(definition)
})

test('fields Go always writes vanish when they hold their zero value', () => {
  // A ConfigMap named "a" as kubectl sends it: every scalar of its metadata that is no pointer is there, empty.
  const metadata = Buffer.from('0a01611200 1a002200 2a003200 3800 42040800 1000'.replaceAll(' ', ''), 'hex')
  const message = Buffer.concat([
    Buffer.from([0x0a, metadata.length]),
    metadata,
    Buffer.from('12060a016b120176', 'hex'),
  ])
  const typeMeta = Buffer.concat([
    Buffer.from([0x0a, 2]),
    Buffer.from('v1'),
    Buffer.from([0x12, 9]),
    Buffer.from('ConfigMap'),
  ])
  const body = Buffer.concat([
    Buffer.from('k8s\0'),
    Buffer.from([0x0a, typeMeta.length]),
    typeMeta,
    Buffer.from([0x12, message.length]),
    message,
    Buffer.from('1a002200', 'hex'),
  ])
  expect(decodeProtobuf(body).object).toEqual({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    data: { k: 'v' },
  })
})

test.each([
  ['no prefix', Buffer.from('{}')],
  ['truncated', Buffer.from('k8s\0\x0a\x7f')],
  ['unknown kind', Buffer.from('k8s\0\x0a\x0b\x0a\x02v1\x12\x05Thing')],
])('refuses a body: %s', (_, body) => {
  expect(() => decodeProtobuf(body)).toThrow(expect.objectContaining({ code: 400 }))
})
