import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { strategyOf } from '../kinds/index.ts'
import { kindRegistry } from '../schema/registry.ts'
import { ManualClock } from '../store/manual-clock.ts'
import { openStore } from '../store/open-store.ts'
import { type TestServer, testServer } from '../testing.ts'
import { CustomResources } from './crd-controller.ts'
import { customResourceDefinitionStrategy } from './crd-strategy.ts'
import { crd } from './sample.ts'

let api: TestServer
let cleanup: () => Promise<void>
const failures: unknown[] = []

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const things = '/apis/example.io/v1/namespaces/default/things'
const mergePatch = { 'content-type': 'application/merge-patch+json' }
const applyPatch = { 'content-type': 'application/apply-patch+yaml' }

const thing = (name: string, spec: object) => ({
  apiVersion: 'example.io/v1',
  kind: 'Thing',
  metadata: { name, namespace: 'default' },
  spec,
})

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-custom-'))
  const clock = new ManualClock()
  const datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
  const store = await openStore({ datastore, clock })
  const registry = kindRegistry((group, kind) =>
    kind === 'CustomResourceDefinition' ? customResourceDefinitionStrategy : strategyOf(group, kind),
  )
  const stop = new AbortController()
  api = await testServer({ store, registry })
  await new CustomResources({ registry, store, clock, onError: error => failures.push(error) }).start(stop.signal)
  cleanup = async () => {
    stop.abort()
    await api.stop()
    await store.close()
    await datastore.close()
    await rm(dir, { recursive: true, force: true })
  }
  await established()
})

afterAll(async () => {
  await cleanup()
  expect(failures).toEqual([])
})

/** Creates the sample definition and waits until it is served. */
async function established(): Promise<void> {
  const sample = crd({
    subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
    selectableFields: [{ jsonPath: '.spec.color' }],
    additionalPrinterColumns: [{ name: 'Color', type: 'string', jsonPath: '.spec.color' }],
  })
  const { uid: _, generation: __, ...metadata } = sample.metadata
  const create = async () =>
    expect(await api.request('POST', crds, { ...sample, metadata })).toMatchObject({ status: 201 })
  const events = await api.watch(crds, 2, create)
  expect(events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED'])
  expect(events[1]!.object.status).toMatchObject({
    conditions: [{ type: 'NamesAccepted' }, { type: 'Established', status: 'True' }],
  })
}

test('a bad definition is refused', async () => {
  const sample = crd()
  const { status, json } = await api.request('POST', crds, { ...sample, metadata: { name: 'x' } })
  expect(status).toBe(422)
  expect(json.message).toBe(
    'CustomResourceDefinition.apiextensions.k8s.io "x" is invalid: metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
  )
})

test('objects are defaulted, pruned, counted and owned', async () => {
  const body = { ...thing('a', { size: 1, unknown: true }), status: { x: 1 } }
  const created = await api.request('POST', `${things}?fieldManager=me`, body)
  expect([created.status, created.json.spec, created.json.status]).toEqual([201, { size: 1, color: 'red' }, undefined])
  expect(created.json.metadata.generation).toBe(1)
  expect(created.json.metadata.managedFields).toMatchObject([
    { manager: 'me', operation: 'Update', fieldsV1: { 'f:spec': { '.': {}, 'f:color': {}, 'f:size': {} } } },
  ])
  const strict = await api.request('POST', `${things}?fieldValidation=Strict`, thing('b', { size: 1, unknown: true }))
  expect([strict.status, strict.json.message]).toEqual([400, expect.stringContaining('unknown field "spec.unknown"')])
})

test('invalid objects are refused with upstream’s message', async () => {
  const { status, json } = await api.request('POST', things, thing('bad', { color: 3 }))
  expect(status).toBe(422)
  expect(json.message).toBe(
    'Thing.example.io "bad" is invalid: [spec.size: Required value, spec.color: Invalid value: "integer": spec.color in body must be of type string: "integer"]',
  )
})

test('finalizers need no domain', async () => {
  const held = thing('held', { size: 1 })
  const body = { ...held, metadata: { ...held.metadata, finalizers: ['mine'] } }
  expect((await api.request('POST', things, body)).status).toBe(201)
  expect((await api.request('PATCH', `${things}/held`, { metadata: { finalizers: null } }, mergePatch)).status).toBe(
    200,
  )
})

test('status has its own endpoint', async () => {
  await api.request('POST', things, thing('s', { size: 1 }))
  const patch = { spec: { size: 9 }, status: { replicas: 4 } }
  const { json } = await api.request('PATCH', `${things}/s/status`, patch, mergePatch)
  expect([json.spec.size, json.status, json.metadata.generation]).toEqual([1, { replicas: 4 }, 1])
  const main = await api.request('PATCH', `${things}/s`, patch, mergePatch)
  expect([main.json.spec.size, main.json.status, main.json.metadata.generation]).toEqual([9, { replicas: 4 }, 2])
})

test('scale', async () => {
  await api.request('POST', things, thing('scaled', { size: 1, replicas: 2 }))
  const { json } = await api.request('PATCH', `${things}/scaled/scale`, { spec: { replicas: 7 } }, mergePatch)
  expect([json.kind, json.spec]).toEqual(['Scale', { replicas: 7 }])
  expect((await api.request('GET', `${things}/scaled`)).json.spec.replicas).toBe(7)
})

test('patches: strategic is refused, apply creates, conflicts and takes over', async () => {
  const strategic = { 'content-type': 'application/strategic-merge-patch+json' }
  expect((await api.request('PATCH', `${things}/s`, {}, strategic)).status).toBe(415)
  const url = (manager: string, more = '') => `${things}/applied?fieldManager=${manager}${more}`
  const created = await api.request('PATCH', url('one'), thing('applied', { size: 1 }), applyPatch)
  expect([created.status, created.json.spec]).toEqual([201, { size: 1, color: 'red' }])
  const conflict = await api.request('PATCH', url('two'), thing('applied', { size: 2 }), applyPatch)
  expect([conflict.status, conflict.json.message]).toEqual([
    409,
    'Apply failed with 1 conflict: conflict with "one": .spec.size',
  ])
  const forced = await api.request('PATCH', url('two', '&force=true'), thing('applied', { size: 2 }), applyPatch)
  expect([forced.status, forced.json.spec.size]).toEqual([200, 2])
})

test('field selectors and tables', async () => {
  await api.request('POST', things, thing('blue', { size: 1, color: 'blue' }))
  const { json } = await api.request('GET', `${things}?fieldSelector=spec.color%3Dblue`, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  })
  expect(json.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(['Name', 'Color'])
  expect(json.rows.map((row: { cells: unknown[] }) => row.cells)).toEqual([['blue', 'blue']])
  const unknown = await api.request('GET', `${things}?fieldSelector=spec.size%3D1`)
  expect(unknown.status).toBe(400)
})

test('a new default shows in objects stored before', async () => {
  await api.request('POST', things, thing('early', { size: 1 }))
  const { json } = await api.request('GET', `${crds}/things.example.io`)
  const { spec } = json.spec.versions[0].schema.openAPIV3Schema.properties
  spec.properties.shape = { type: 'string', default: 'round' }
  delete spec.properties.color
  json.spec.versions[0].selectableFields = undefined
  const changed = await api.request('PUT', `${crds}/things.example.io`, json)
  expect([changed.status, changed.json.metadata.generation]).toEqual([200, 2])
  await api.request('POST', crds, { ...crd(), metadata: { name: 'x' } })
  expect((await api.request('GET', `${things}/early`)).json.spec).toEqual({ size: 1, shape: 'round' })
})

test('deleting the definition deletes its objects and ends their kind', async () => {
  const { json: before } = await api.request('GET', things)
  const ending = api.watch(`${things}?resourceVersion=${before.metadata.resourceVersion}`, 1000, async () => {})
  const events = await api.watch(`${crds}?fieldSelector=metadata.name%3Dthings.example.io`, 4, () =>
    api.request('DELETE', `${crds}/things.example.io`),
  )
  expect(events.at(-1)!.type).toBe('DELETED')
  const gone = (await ending).map(({ type, object }) => `${type} ${object.metadata.name}`)
  expect(gone.sort()).toEqual(
    before.items.map(({ metadata }: { metadata: { name: string } }) => `DELETED ${metadata.name}`).sort(),
  )
  await established()
  expect((await api.request('GET', things)).json.items).toEqual([])
})
