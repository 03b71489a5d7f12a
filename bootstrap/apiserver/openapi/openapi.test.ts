import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { kindRegistry } from '../schema/registry.ts'
import { openapi, type RequestHeaders } from './openapi.ts'
import { widgets } from './widget.fixture.ts'

type Json = { [name: string]: Json }

const registry = kindRegistry()
const answer = openapi(registry)
const get = (path: string, headers: RequestHeaders = {}) => {
  const url = new URL(path, 'http://localhost')
  return answer(url.pathname, url.searchParams, headers)
}
const document = async (path: string): Promise<Json> => JSON.parse((await get(path))!.body.toString())

/** Every $ref in a document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' && typeof child === 'string' ? [child] : references(child),
  )
}

describe('version 3', () => {
  test('the index names every group version with its hash', async () => {
    const { paths } = await document('/openapi/v3')
    expect(Object.keys(paths!)).toEqual(expect.arrayContaining(['api/v1', 'apis/apps/v1', 'apis/autoscaling/v2']))
    const url = String(paths!['apis/apps/v1']!.serverRelativeURL)
    expect(url).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/)
    const etag = (await get('/openapi/v3'))!.headers.etag!
    expect(await get('/openapi/v3', { 'if-none-match': etag })).toMatchObject({ status: 304 })
  })

  test('hashes make documents immutable, wrong ones redirect', async () => {
    const { paths } = await document('/openapi/v3')
    const url = String(paths!['apis/batch/v1']!.serverRelativeURL)
    const right = (await get(url))!
    expect(right).toMatchObject({ status: 200, headers: { 'cache-control': 'public, immutable' } })
    expect(Date.parse(right.headers.expires!)).toBeGreaterThan(Date.now() + 364 * 24 * 3600 * 1000)
    expect(right.headers.etag).toBe(`"${url.split('=')[1]}"`)
    expect(await get('/openapi/v3/apis/batch/v1?hash=OLD')).toMatchObject({ status: 301, headers: { location: url } })
    const plain = (await get('/openapi/v3/apis/batch/v1'))!
    expect(plain.headers['cache-control']).toBeUndefined()
    expect(plain.body.equals(right.body)).toBe(true)
    const headers = { 'if-none-match': plain.headers.etag }
    expect(await get('/openapi/v3/apis/batch/v1', headers)).toMatchObject({ status: 304 })
  })

  test('compressed when asked', async () => {
    const plain = (await get('/openapi/v3/apis/batch/v1'))!
    const small = (await get('/openapi/v3/apis/batch/v1', { 'accept-encoding': 'gzip, br' }))!
    expect(small.headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(small.body).equals(plain.body)).toBe(true)
  })

  test.each([
    ...new Set(
      [...registry.all()].map(({ group, version }) => (group ? `apis/${group}/${version}` : `api/${version}`)),
    ),
  ])('every reference in %s resolves', async path => {
    const { components, paths } = await document(`/openapi/v3/${path}`)
    const known = Object.keys(components!.schemas!).map(name => `#/components/schemas/${name}`)
    expect(known).toEqual(expect.arrayContaining([...new Set(references({ components, paths }))]))
  })

  test('a pod is described', async () => {
    const { components } = await document('/openapi/v3/api/v1')
    const schemas = components!.schemas!
    expect(schemas['io.k8s.api.core.v1.Pod']).toMatchObject({
      'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: 'Pod' }],
      properties: { spec: { $ref: '#/components/schemas/io.k8s.api.core.v1.PodSpec' } },
    })
    expect(schemas['io.k8s.api.core.v1.Container']!.properties!.ports).toMatchObject({
      description: expect.stringContaining('ports'),
      'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
      'x-kubernetes-patch-merge-key': 'containerPort',
    })
    const apps = (await document('/openapi/v3/apis/apps/v1')).components!.schemas!
    expect(apps['io.k8s.api.apps.v1.DeploymentSpec']!.properties!.strategy).toEqual({
      allOf: [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy' }],
      'x-kubernetes-patch-strategy': 'retainKeys',
    })
  })

  test('what is not served has no document', async () => {
    expect(await get('/openapi/v3/apis/apps/v2')).toBeUndefined()
    expect(await get('/openapi/v4')).toBeUndefined()
  })
})

const reference = join(import.meta.dirname, '../../../../shared/reference/kubernetes-openapi-1.36.json')

if (!existsSync(reference)) test.skip(`the reference data is not at ${reference}`, () => undefined)
else
  test("operations of version 2 are upstream's, with their kinds, bodies and parameters", async () => {
    type Operation = { action: string; gvk: object; query: string[]; body?: string; response?: string }
    const upstream = JSON.parse(readFileSync(reference, 'utf8')).paths as {
      [path: string]: { [method: string]: Operation }
    }
    const { paths } = (await document('/openapi/v2')) as unknown as {
      paths: {
        [path: string]: {
          [method: string]: {
            'x-kubernetes-action': string
            'x-kubernetes-group-version-kind': object
            parameters: { name: string; in: string; schema?: { $ref: string } }[]
            responses: { 200?: { schema: { $ref?: string } }; 201?: { schema: { $ref?: string } } }
          }
        }
      }
    }
    const differing: string[] = []
    for (const [path, { parameters, ...operations }] of Object.entries(paths))
      for (const [method, operation] of Object.entries(operations)) {
        const theirs = upstream[path]?.[method]
        const query = operation.parameters.filter(p => p.in === 'query').map(p => p.name)
        const response = operation.responses[200]?.schema.$ref?.slice('#/definitions/'.length)
        const ours = {
          action: operation['x-kubernetes-action'],
          gvk: operation['x-kubernetes-group-version-kind'],
          response,
        }
        const same =
          theirs !== undefined &&
          JSON.stringify([ours.action, sorted(ours.gvk), ours.response]) ===
            JSON.stringify([theirs.action, sorted(theirs.gvk), theirs.response]) &&
          (theirs.query.length === 0 ||
            theirs.query.filter(name => name !== 'shardSelector').every(name => query.includes(name)))
        if (!same) differing.push(`${method} ${path} ${JSON.stringify(ours)} ${JSON.stringify(theirs)}`)
      }
    expect(differing).toEqual([])
  })

const sorted = (object: object) => Object.entries(object).sort()

describe('version 2', () => {
  test('every reference resolves', async () => {
    const { definitions, paths } = await document('/openapi/v2')
    const known = Object.keys(definitions!).map(name => `#/definitions/${name}`)
    expect(known).toEqual(expect.arrayContaining([...new Set(references({ definitions, paths }))]))
  })

  test.each([
    [
      'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
      200,
      'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    ],
    [
      'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
      200,
      'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    ],
    ['application/json', 200, 'application/json'],
    ['*/*', 200, 'application/json'],
    ['text/html', 406, undefined],
  ])('Accept: %s', async (accept, status, contentType) => {
    const reply = (await get('/openapi/v2', { accept }))!
    expect([reply.status, reply.headers['content-type']]).toEqual([status, contentType])
    expect(reply.headers.vary).toBe('Accept')
    expect(reply.body.length > 0).toBe(status === 200)
  })
})

describe('custom kinds', () => {
  const custom = kindRegistry()
  const serve = openapi(custom)
  const read = async (path: string): Promise<Json> => {
    const reply = await serve(path, new URLSearchParams(), {})
    return JSON.parse(reply?.body.toString() ?? '{}')
  }

  test('appear and disappear, changing only their own hashes', async () => {
    const before = (await read('/openapi/v3')).paths!
    custom.add(widgets())
    const during = (await read('/openapi/v3')).paths!
    expect(during['api/v1']).toEqual(before['api/v1'])
    expect(Object.keys(during)).toContain('apis/example.com/v1')
    custom.add(widgets('v1', { type: 'object' }))
    expect((await read('/openapi/v3')).paths!['apis/example.com/v1']).not.toEqual(during['apis/example.com/v1'])
    custom.remove('example.com', 'v1', 'widgets')
    expect((await read('/openapi/v3')).paths).toEqual(before)
    expect((await read('/openapi/v2')).definitions!['com.example.v1.Widget']).toBeUndefined()
  })

  test('are published whole in version 3 and simplified in version 2', async () => {
    custom.add(widgets())
    const three = (await read('/openapi/v3/apis/example.com/v1')).components!.schemas!['com.example.v1.Widget']!
    expect(three.properties!.spec!.properties!.note).toEqual({ type: 'string', nullable: true })
    const two = (await read('/openapi/v2')).definitions!
    expect(two['com.example.v1.Widget']).toMatchObject({
      'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Widget' }],
      properties: {
        metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
        spec: {
          properties: {
            size: { type: 'integer', minimum: 0 },
            port: { 'x-kubernetes-int-or-string': true },
            note: {},
            open: { 'x-kubernetes-preserve-unknown-fields': true },
          },
        },
      },
    })
    const spec = two['com.example.v1.Widget']!.properties!.spec!.properties!
    expect([spec.note, spec.port, spec.open].map(schema => schema!.type)).toEqual([undefined, undefined, undefined])
    expect(two['com.example.v1.WidgetList']).toMatchObject({ properties: { items: { type: 'array' } } })
    custom.remove('example.com', 'v1', 'widgets')
  })

  test('a schema open at its root is untyped in version 2', async () => {
    custom.add(widgets('v1', { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: {} } }))
    const two = (await read('/openapi/v2')).definitions!
    expect(two['com.example.v1.Widget']!.properties).toBeUndefined()
    custom.remove('example.com', 'v1', 'widgets')
  })
})
