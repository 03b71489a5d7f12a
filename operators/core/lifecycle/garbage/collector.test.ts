import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { OwnerReference } from '../../../../bootstrap/api/object.ts'
import {
  type ConfigMap,
  configMaps,
  customResourceDefinitions,
  namespaced,
  namespaces,
} from '../../../../bootstrap/client/resources.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { garbageCollector } from './collector.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness.stop())

const at = (name: string) => ({ name, namespace: 'default' })
const names = () => [...harness.client.store.table('/configmaps').keys()].map(key => key.split('/')[1]).sort()
const owner = (object: ConfigMap, block = false): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name: object.metadata.name ?? '',
  uid: object.metadata.uid ?? '',
  ...(block ? { blockOwnerDeletion: true } : {}),
})

function make(name: string, ownerReferences: readonly OwnerReference[] = [], extra: object = {}): Promise<ConfigMap> {
  const metadata = { ...at(name), ...(ownerReferences.length > 0 ? { ownerReferences } : {}), ...extra }
  return harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
}

const remove = async (name: string, propagationPolicy?: 'Foreground' | 'Background' | 'Orphan') => {
  await harness.client.delete(configMaps, at(name), propagationPolicy ? { propagationPolicy } : {})
  await harness.idle()
}

test('a deleted owner takes its dependents, and theirs, with it', async () => {
  const a = await make('a')
  const b = await make('b', [owner(a)])
  await make('c', [owner(b)])
  await make('other')
  await harness.start(garbageCollector())
  await remove('a')
  expect(names()).toEqual(['other'])
})

test('what lost its owner before the start is found', async () => {
  const a = await make('a')
  await make('b', [owner(a)])
  await harness.client.delete(configMaps, at('a'))
  await harness.start(garbageCollector())
  expect(names()).toEqual([])
})

test('an owner of the same name but another uid is absent', async () => {
  const a = await make('a')
  await harness.start(garbageCollector())
  await make('b', [{ ...owner(a), uid: 'before' }])
  await harness.idle()
  expect(names()).toEqual(['a'])
})

test('one of two owners is enough to stay, and the absent one is dropped', async () => {
  const [a, b] = [await make('a'), await make('b')]
  await make('c', [owner(a), owner(b)])
  await harness.start(garbageCollector())
  await remove('a')
  expect(names()).toEqual(['b', 'c'])
  expect((await harness.client.get(configMaps, at('c'))).metadata.ownerReferences).toEqual([owner(b)])
})

test('orphaning leaves the dependents without the owner', async () => {
  const a = await make('a')
  await make('b', [owner(a)])
  await harness.start(garbageCollector())
  await remove('a', 'Orphan')
  expect(names()).toEqual(['b'])
  expect((await harness.client.get(configMaps, at('b'))).metadata.ownerReferences).toBeUndefined()
})

test('a foreground deletion waits for dependents that block it', async () => {
  const a = await make('a')
  await make('blocking', [owner(a, true)], { finalizers: ['test.io/hold'] })
  await make('free', [owner(a)], { finalizers: ['test.io/hold'] })
  await harness.start(garbageCollector())
  await remove('a', 'Foreground')
  expect(names()).toEqual(['a', 'blocking', 'free'])
  await harness.client.patch(configMaps, at('blocking'), { metadata: { finalizers: null } }, { type: 'merge' })
  await harness.idle()
  expect(names()).toEqual(['free'])
  expect((await harness.client.get(configMaps, at('free'))).metadata.deletionTimestamp).toBeDefined()
})

test('a foreground deletion goes down the tree from its leaves', async () => {
  const a = await make('a')
  const b = await make('b', [owner(a, true)])
  await make('c', [owner(b, true)])
  await harness.start(garbageCollector())
  const gone: string[] = []
  harness.cluster.informers.get(configMaps).subscribe({ deleted: object => gone.push(object.metadata.name ?? '') })
  await remove('a', 'Foreground')
  expect(gone).toEqual(['c', 'b', 'a'])
})

test('a dependent with another valid owner survives a foreground deletion', async () => {
  const [a, b] = [await make('a'), await make('b')]
  await make('c', [owner(a, true), owner(b)])
  await harness.start(garbageCollector())
  await remove('a', 'Foreground')
  expect(names()).toEqual(['b', 'c'])
})

test('a circle of owners blocks nothing', async () => {
  const [a, b, c] = [await make('a'), await make('b'), await make('c')]
  for (const [object, of] of [
    [a, b],
    [b, c],
    [c, a],
  ] as const)
    await harness.client.patch(
      configMaps,
      at(object.metadata.name ?? ''),
      { metadata: { ownerReferences: [owner(of, true)] } },
      { type: 'merge' },
    )
  await harness.start(garbageCollector())
  expect(names()).toEqual(['a', 'b', 'c'])
  await remove('a', 'Foreground')
  expect(names()).toEqual([])
})

test('a cluster-scoped object cannot belong to a namespaced one', async () => {
  const a = await make('a')
  await harness.start(garbageCollector())
  await harness.client.create(namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'x', ownerReferences: [owner(a)] },
    spec: { finalizers: [] },
  })
  await harness.idle()
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual([])
  expect(harness.events()).toEqual([
    `OwnerRefInvalidNamespace: ownerRef [v1/ConfigMap, namespace: , name: a, uid: ${a.metadata.uid}] does not exist in namespace ""`,
  ])
})

test('custom resources are followed as soon as they are established', async () => {
  const widgets = namespaced('example.com', 'v1', 'widgets', 'Widget')
  await harness.start(garbageCollector())
  harness.client.resources.push(widgets)
  harness.client.seed(customResourceDefinitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: { group: 'example.com', names: { kind: 'Widget', plural: 'widgets' }, scope: 'Namespaced', versions: [] },
    status: { conditions: [{ type: 'Established', status: 'True' }] },
  })
  await harness.idle()
  const widget = await harness.client.create(widgets, {
    apiVersion: 'example.com/v1',
    kind: 'Widget',
    metadata: at('w'),
  })
  const { uid = '' } = widget.metadata
  await make('b', [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid }])
  await harness.idle()
  expect(names()).toEqual(['b'])
  await harness.client.delete(widgets, at('w'))
  await harness.idle()
  expect(names()).toEqual([])
})
