import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { configMaps, namespaces, pods, secrets } from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { namespaceController } from './namespace.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  const object = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop' },
    spec: { finalizers: ['kubernetes'] },
  }
  await harness.client.create(namespaces, object)
  await harness.start(namespaceController())
})
afterEach(() => harness.stop())

const at = (name: string) => ({ name, namespace: 'shop' })
const current = () => harness.client.get(namespaces, { name: 'shop' })
const remove = async () => {
  await harness.client.delete(namespaces, { name: 'shop' })
  await harness.idle()
}
const condition = async (type: string) => (await current()).status?.conditions?.find(found => found.type === type)

test('an emptied namespace goes, with everything in it and nothing beside it', async () => {
  await harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: at('a') })
  await harness.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: at('b') })
  await harness.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'b', namespace: 'other' },
  })
  await remove()
  expect([...harness.client.store.table('/configmaps').keys()]).toEqual([])
  expect([...harness.client.store.table('/secrets').keys()]).toEqual(['other/b'])
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual([])
})

test('pods go first, and the rest follows them at once', async () => {
  harness.client.seed(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: at('p'),
    spec: { nodeName: 'n', containers: [] },
  })
  await harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: at('a') })
  await remove()
  expect([...harness.client.store.table('/configmaps').keys()]).toEqual(['shop/a'])
  expect((await current()).status?.phase).toBe('Terminating')
  expect(await condition('NamespaceContentRemaining')).toMatchObject({
    status: 'True',
    reason: 'SomeResourcesRemain',
    message: 'Some resources are remaining: pods. has 1 resource instances',
  })
  await harness.client.delete(pods, at('p'), { gracePeriodSeconds: 0 })
  await harness.idle()
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual([])
})

test('content with finalizers is named and waited for', async () => {
  const metadata = { ...at('a'), finalizers: ['test.io/hold'] }
  await harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
  await remove()
  expect(await condition('NamespaceFinalizersRemaining')).toMatchObject({
    status: 'True',
    reason: 'SomeFinalizersRemain',
    message: 'Some content in the namespace has finalizers remaining: test.io/hold in 1 resource instances',
  })
  expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({
    status: 'False',
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
  })
  await harness.client.patch(configMaps, at('a'), { metadata: { finalizers: null } }, { type: 'merge' })
  await harness.advance(1000)
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual([])
})

test('what cannot be deleted is named', async () => {
  await harness.client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: at('a') })
  harness.client.before = call => {
    if (call.verb === 'delete' && call.resource === 'configmaps') throw new Error('webhook says no')
  }
  await remove()
  expect(await condition('NamespaceDeletionContentFailure')).toMatchObject({
    status: 'True',
    reason: 'ContentDeletionFailed',
    message: 'Failed to delete all resource types, 1 remaining: webhook says no',
  })
})

test('with several servers a namespace is left alone until all have heard of it', async () => {
  await harness.stop()
  harness = new Harness()
  const object = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop' },
    spec: { finalizers: ['kubernetes'] },
  }
  await harness.client.create(namespaces, object)
  await harness.start(namespaceController(5000))
  await remove()
  await harness.advance(4900)
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual(['shop'])
  await harness.advance(200)
  expect([...harness.client.store.table('/namespaces').keys()]).toEqual([])
})
