import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import type { CustomResourceDefinition } from '../../api/types.gen.ts'
import type { Datastore } from '../../datastore/datastore.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { type KindRegistry, kindRegistry } from '../schema/registry.ts'
import { ManualClock } from '../store/manual-clock.ts'
import { openStore } from '../store/open-store.ts'
import type { ResourceStore, Store, Stored } from '../store/store.ts'
import { hasCondition } from './conditions.ts'
import { CustomResources } from './crd-controller.ts'
import { cleanupFinalizer } from './crd-strategy.ts'
import { crd } from './sample.ts'

let dir: string
let datastore: Datastore
let store: Store
let crds: ResourceStore
let registry: KindRegistry
let stop: AbortController
const failures: unknown[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-crd-'))
  const clock = new ManualClock()
  datastore = await openSqlite({ file: join(dir, 'state.db'), clock })
  store = await openStore({ datastore, clock })
  crds = await store.resource('apiextensions.k8s.io', 'customresourcedefinitions', false)
  registry = kindRegistry()
  stop = new AbortController()
  failures.length = 0
})

afterEach(async () => {
  stop.abort()
  await store.close()
  await datastore.close()
  await rm(dir, { recursive: true, force: true })
  expect(failures).toEqual([])
})

async function start(): Promise<void> {
  const custom = new CustomResources({
    registry,
    store,
    clock: { now: () => 0 },
    onError: error => failures.push(error),
  })
  await custom.start(stop.signal)
}

/** A definition as the API server stores a new one. */
function definition(name = 'things', shortNames = ['th']): KubeObject {
  const sample = crd()
  const kind = name === 'things' ? 'Thing' : 'Other'
  const names = { plural: name, singular: kind.toLowerCase(), kind, listKind: `${kind}List`, shortNames }
  return {
    ...sample,
    metadata: { ...sample.metadata, name: `${name}.example.io`, uid: name },
    spec: { ...sample.spec, names },
    status: { storedVersions: ['v1'] },
  } as unknown as KubeObject
}

/** Resolves with the definition once it satisfies a test; undefined when it is gone. */
async function until(name: string, satisfied: (stored: Stored | undefined) => boolean): Promise<Stored | undefined> {
  const done = new AbortController()
  const events = crds.watch({ after: crds.revision, signal: AbortSignal.any([done.signal, stop.signal]) })
  if (!satisfied(crds.get('', name))) for await (const _ of events) if (satisfied(crds.get('', name))) break
  done.abort()
  return crds.get('', name)
}

const is =
  (type: string, status = 'True') =>
  (stored: Stored | undefined) => {
    const object = stored?.object as CustomResourceDefinition | undefined
    return (
      object?.status?.conditions?.some(condition => condition.type === type && condition.status === status) ?? false
    )
  }
const served = (resource = 'things') => registry.byResource('example.io', 'v1', resource) !== undefined
const remove = (stored: Stored, ...finalizers: string[]) => {
  const { resourceVersion: _, ...metadata } = stored.object.metadata
  const leaving = {
    ...metadata,
    deletionTimestamp: '2026-01-01T00:00:00Z',
    finalizers: [cleanupFinalizer, ...finalizers],
  }
  return crds.update({ ...stored.object, metadata: leaving }, stored.revision)
}

describe('the controller of definitions', () => {
  test('establishes and serves a new definition', async () => {
    await start()
    await crds.create(definition())
    const stored = await until('things.example.io', is('Established'))
    expect(served()).toBe(true)
    expect(stored!.object.status).toEqual({
      storedVersions: ['v1'],
      acceptedNames: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList', shortNames: ['th'] },
      conditions: [
        {
          type: 'NamesAccepted',
          status: 'True',
          reason: 'NoConflicts',
          message: 'no conflicts found',
          lastTransitionTime: '1970-01-01T00:00:00Z',
        },
        {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
          lastTransitionTime: '1970-01-01T00:00:00Z',
        },
      ],
    })
  })

  test('serves what is there when it starts', async () => {
    await crds.create(definition())
    await start()
    expect(served()).toBe(true)
  })

  test('leaves the registry alone when only the status changes', async () => {
    await start()
    await crds.create(definition())
    const stored = await until('things.example.io', is('Established'))
    const { revision } = registry
    const { resourceVersion: _, ...metadata } = stored!.object.metadata
    await crds.update({ ...stored!.object, metadata: { ...metadata, labels: { a: 'b' } } }, stored!.revision)
    await crds.create(definition('others', []))
    await until('others.example.io', is('Established'))
    expect(registry.revision).toBe(revision + 1)
  })

  test('stops serving a version that is no longer served', async () => {
    await start()
    await crds.create(definition())
    const stored = await until('things.example.io', is('Established'))
    const { resourceVersion: _, ...metadata } = stored!.object.metadata
    const spec = structuredClone((stored!.object as unknown as CustomResourceDefinition).spec)
    const versions = [
      { ...spec.versions[0]!, served: false },
      { ...spec.versions[0]!, name: 'v2', storage: false },
    ]
    const next = { ...stored!.object, metadata: { ...metadata, generation: 2 }, spec: { ...spec, versions } }
    await crds.update(next, stored!.revision)
    await crds.create(definition('others', []))
    await until('others.example.io', is('Established'))
    expect(served()).toBe(false)
    expect(registry.byResource('example.io', 'v2', 'things')).toBeDefined()
  })

  test('a definition waits for its names until they are free', async () => {
    await start()
    await crds.create(definition())
    await until('things.example.io', is('Established'))
    await crds.create(definition('others', ['thing']))
    const waiting = await until('others.example.io', is('Established', 'False'))
    expect(waiting!.object.status).toMatchObject({
      conditions: [
        { type: 'NamesAccepted', status: 'False', reason: 'ShortNamesConflict', message: '"thing" is already in use' },
        { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' },
      ],
    })
    expect(served('others')).toBe(false)
    await remove(crds.get('', 'things.example.io')!)
    await until('others.example.io', is('Established'))
    expect(served('others')).toBe(true)
    expect(served('things')).toBe(false)
  })

  test('instances go first, those with finalizers when they let go', async () => {
    await start()
    await crds.create(definition())
    const stored = await until('things.example.io', is('Established'))
    const things = await store.resource('example.io', 'things', true)
    const instance = (name: string, finalizers: string[] = []) =>
      things.create({
        apiVersion: 'example.io/v1',
        kind: 'Thing',
        metadata: { name, namespace: 'default', finalizers },
      })
    await instance('free')
    await instance('held', ['example.io/hold'])
    const gone = new AbortController()
    const events = things.watch({ after: things.revision, signal: AbortSignal.any([gone.signal, stop.signal]) })
    await remove(stored!)
    const terminating = await until('things.example.io', is('Terminating'))
    expect(terminating!.object.metadata).toMatchObject({
      finalizers: [cleanupFinalizer],
      deletionGracePeriodSeconds: 0,
    })
    expect(hasCondition(terminating!.object as unknown as CustomResourceDefinition, 'Established')).toBe(true)
    const isMarked = () => things.get('default', 'held')?.object.metadata.deletionTimestamp !== undefined
    for await (const _ of events) if (isMarked() && !things.get('default', 'free')) break
    gone.abort()
    expect(crds.get('', 'things.example.io')).toBeDefined()
    await things.delete('default', 'held', things.get('default', 'held')!.revision)
    await until('things.example.io', definition => definition === undefined)
    await crds.create(definition('others', []))
    await until('others.example.io', is('Established'))
    expect(served('things')).toBe(false)
  })

  test('a definition held by others says that its instances are gone', async () => {
    await start()
    await crds.create(definition())
    const stored = await until('things.example.io', is('Established'))
    await remove(stored!, 'example.io/hold')
    const left = await until('things.example.io', is('Terminating', 'False'))
    expect(left!.object.metadata.finalizers).toEqual(['example.io/hold'])
    expect(left!.object.status).toMatchObject({
      conditions: expect.arrayContaining([
        expect.objectContaining({ type: 'Terminating', reason: 'InstanceDeletionCompleted' }),
      ]),
    })
  })
})
