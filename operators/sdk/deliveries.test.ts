import { beforeEach, expect, test } from '@jest/globals'
import { type ConfigMap, configMaps } from '../../bootstrap/client/resources.ts'
import { turns } from '../../bootstrap/client/testing/fake-clock.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { Deliveries } from './deliveries.ts'
import type { ResourceEvent } from './resource.ts'

let harness: Harness
let told: string[]
let fail: boolean
let deliveries: Deliveries
const key = 'default/a'

beforeEach(async () => {
  harness = new Harness()
  told = []
  fail = false
  const informer = harness.cluster.informers.get(configMaps)
  deliveries = new Deliveries('configmaps.v1', informer, async (event: ResourceEvent) => {
    if (fail) throw new Error('not now')
    told.push(`${event.type} ${event.object.data.v}`)
    event.object.data.v = 'the handler may change its copy'
  })
  await informer.whenSynced()
})

const write = async (v: string) => {
  const object: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default' },
    data: { v },
  }
  const there = await harness.client
    .get(configMaps, object.metadata as { name: string; namespace: string })
    .catch(() => undefined)
  await (there
    ? harness.client.update(configMaps, { ...there, data: { v } })
    : harness.client.create(configMaps, object))
  await turns(20)
}
const remove = async () => {
  await harness.client.delete(configMaps, { name: 'a', namespace: 'default' })
  await turns(20)
}

test('added, modified, deleted; nothing twice', async () => {
  await write('1')
  await deliveries.deliver(key)
  await deliveries.deliver(key)
  await write('2')
  await deliveries.deliver(key)
  await remove()
  await deliveries.deliver(key)
  await deliveries.deliver(key)
  expect(told).toEqual(['ADDED 1', 'MODIFIED 2', 'DELETED 2'])
})

test('what comes while a handler works is one event with the latest state', async () => {
  for (const v of ['1', '2', '3']) await write(v)
  await deliveries.deliver(key)
  expect(told).toEqual(['ADDED 3'])
})

test('a handler that failed has not been told: it gets the same type again', async () => {
  await write('1')
  fail = true
  await expect(deliveries.deliver(key)).rejects.toThrow('not now')
  await write('2')
  fail = false
  await deliveries.deliver(key)
  await remove()
  fail = true
  await expect(deliveries.deliver(key)).rejects.toThrow('not now')
  fail = false
  await deliveries.deliver(key)
  expect(told).toEqual(['ADDED 2', 'DELETED 2'])
})

test('an object that came and went unseen is none', async () => {
  await write('1')
  await remove()
  await deliveries.deliver(key)
  expect(told).toEqual([])
})

test('another object of the same name is a new one', async () => {
  await write('1')
  await deliveries.deliver(key)
  await remove()
  await write('2')
  await deliveries.deliver(key)
  expect(told).toEqual(['ADDED 1', 'DELETED 1', 'ADDED 2'])
})
