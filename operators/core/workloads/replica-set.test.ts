import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { errors, failure } from '../../../bootstrap/api/errors.ts'
import {
  type Pod,
  pods,
  type ReplicaSet,
  replicaSets,
  replicationControllers,
} from '../../../bootstrap/client/resources.ts'
import { controllerReference, nameOf } from '../../runtime/apply.ts'
import { makeReady, podsIn, replicaSet, report, settle, template } from '../../runtime/testing/builders.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { replicaSetController, replicationController } from './replica-set.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness.stop())

const at = { name: 'web', namespace: 'default' }
const current = () => harness.client.get(replicaSets, at)
const resize = (replicas: number) => harness.client.patch(replicaSets, at, { spec: { replicas } }, { type: 'merge' })
const pod = (name: string, extra: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: 'web' }, ...extra },
  spec: { containers: [] },
})

describe('a ReplicaSet', () => {
  test('gets its pods, owned and named after it', async () => {
    await harness.client.create(replicaSets, replicaSet())
    await harness.start(replicaSetController())
    const set = await current()
    expect(podsIn(harness).map(found => found.metadata)).toMatchObject(
      Array.from({ length: 3 }, () => ({
        generateName: 'web-',
        labels: { app: 'web' },
        ownerReferences: [controllerReference(set)],
      })),
    )
    expect(set.status).toMatchObject({ replicas: 3, fullyLabeledReplicas: 3, observedGeneration: 1 })
    expect(set.status?.readyReplicas).toBeUndefined()
    expect(harness.events()).toContainEqual(`SuccessfulCreate: Created pod: ${podsIn(harness)[0]?.metadata.name}`)
  })

  test('reports readiness, and availability after minReadySeconds', async () => {
    await harness.client.create(replicaSets, replicaSet({ minReadySeconds: 10 }))
    await harness.start(replicaSetController())
    await settle(harness)
    expect((await current()).status).toMatchObject({ readyReplicas: 3 })
    expect((await current()).status?.availableReplicas).toBeUndefined()
    await harness.advance(10_000)
    expect((await current()).status).toMatchObject({ readyReplicas: 3, availableReplicas: 3 })
  })

  test('replaces a pod that is deleted or fails', async () => {
    await harness.client.create(replicaSets, replicaSet())
    await harness.start(replicaSetController())
    const [first, second] = podsIn(harness)
    await harness.client.delete(pods, nameOf(first as Pod))
    await report(harness, second as Pod, { phase: 'Failed' })
    await harness.idle()
    const left = podsIn(harness)
    expect(left).toHaveLength(4)
    expect(left.filter(found => found.status?.phase !== 'Failed')).toHaveLength(3)
  })

  test('scales down by the order of deletion and says so', async () => {
    await harness.client.create(replicaSets, replicaSet({ replicas: 2 }))
    await harness.start(replicaSetController())
    const [unready, ready] = podsIn(harness) as [Pod, Pod]
    await makeReady(harness, ready)
    await makeReady(harness, unready, false)
    await resize(1)
    await harness.idle()
    expect(podsIn(harness).map(found => found.metadata.name)).toEqual([ready.metadata.name])
    expect(harness.events()).toContain(`SuccessfulDelete: Deleted pod: ${unready.metadata.name}`)
  })

  test('counts terminating pods apart and replaces them at once', async () => {
    await harness.client.create(replicaSets, replicaSet({ replicas: 1 }))
    await harness.start(replicaSetController())
    const [only] = podsIn(harness) as [Pod]
    await harness.client.patch(pods, nameOf(only), { spec: { nodeName: 'n' } }, { type: 'merge' })
    await harness.client.delete(pods, nameOf(only))
    await harness.idle()
    expect(podsIn(harness)).toHaveLength(2)
    expect((await current()).status).toMatchObject({ replicas: 1, terminatingReplicas: 1 })
    await settle(harness)
    expect((await current()).status).toMatchObject({ replicas: 1, terminatingReplicas: 0 })
  })

  test('never creates twice from a stale cache', async () => {
    await harness.start(replicaSetController())
    await harness.client.create(replicaSets, replicaSet())
    await harness.idle()
    harness.client.store.pause()
    await resize(5)
    harness.client.store.resume()
    await harness.idle()
    expect(podsIn(harness)).toHaveLength(5)
    harness.client.store.pause()
    for (const found of podsIn(harness)) await harness.client.delete(pods, nameOf(found))
    await harness.client.patch(replicaSets, at, { metadata: { labels: { touched: 'yes' } } }, { type: 'merge' })
    harness.client.store.resume()
    await harness.idle()
    expect(podsIn(harness)).toHaveLength(5)
  })

  test('adopts matching orphans and releases what no longer matches', async () => {
    await harness.client.create(pods, pod('orphan'))
    await harness.client.create(replicaSets, replicaSet({ replicas: 1 }))
    await harness.start(replicaSetController())
    const set = await current()
    expect(podsIn(harness).map(found => found.metadata)).toMatchObject([
      { name: 'orphan', ownerReferences: [controllerReference(set)] },
    ])
    await harness.client.patch(
      pods,
      { name: 'orphan', namespace: 'default' },
      { metadata: { labels: { app: 'x' } } },
      { type: 'merge' },
    )
    await harness.idle()
    expect(podsIn(harness)).toHaveLength(2)
    expect(podsIn(harness).find(found => found.metadata.name === 'orphan')?.metadata.ownerReferences).toEqual([])
  })

  test('leaves pods of another controller alone', async () => {
    const other = { ...controllerReference(replicaSet() as never), uid: 'other' }
    await harness.client.create(pods, pod('taken', { ownerReferences: [other] }))
    await harness.client.create(replicaSets, replicaSet({ replicas: 1 }))
    await harness.start(replicaSetController())
    expect(podsIn(harness)).toHaveLength(2)
    expect((await current()).status?.replicas).toBe(1)
  })

  test('creates nothing while it is being deleted', async () => {
    await harness.client.create(replicaSets, {
      ...replicaSet(),
      metadata: { ...at, finalizers: ['test/keep'] },
    })
    await harness.client.delete(replicaSets, at)
    await harness.start(replicaSetController())
    expect(podsIn(harness)).toEqual([])
  })

  test('a refused pod costs one request per try and shows in the status', async () => {
    let tries = 0
    harness.client.before = call => {
      if (call.verb !== 'create' || call.resource !== 'pods') return
      tries++
      throw errors.forbidden({ group: '', resource: 'pods' }, '', 'exceeded quota')
    }
    await harness.client.create(replicaSets, replicaSet({ replicas: 50 }))
    await harness.start(replicaSetController())
    // The first try, and the one after its own status was written.
    expect(tries).toBe(2)
    expect((await current()).status?.conditions).toMatchObject([
      { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'pods is forbidden: exceeded quota' },
    ])
    expect(harness.events()).toContain('FailedCreate: Error creating: pods is forbidden: exceeded quota')
    harness.client.before = () => {}
    await harness.advance(1000)
    expect(podsIn(harness)).toHaveLength(50)
    expect((await current()).status?.conditions).toBeUndefined()
  })

  test('gives up quietly in a terminating namespace', async () => {
    harness.client.before = call => {
      if (call.verb === 'create' && call.resource === 'pods')
        throw failure(403, 'Forbidden', 'no', { causes: [{ reason: 'NamespaceTerminating' }] })
    }
    await harness.client.create(replicaSets, replicaSet())
    await harness.start(replicaSetController())
    expect(harness.failures).toEqual([])
    expect(harness.events()).toEqual([])
  })

  test('survives a conflict on its status', async () => {
    let conflicts = 2
    harness.client.before = call => {
      if (call.subresource === 'status' && call.resource === 'replicasets' && conflicts-- > 0)
        throw errors.stale({ group: 'apps', resource: 'replicasets' }, 'web')
    }
    await harness.client.create(replicaSets, replicaSet())
    await harness.start(replicaSetController())
    expect((await current()).status?.replicas).toBe(3)
  })
})

test('a ReplicationController works alike', async () => {
  await harness.client.create(replicationControllers, {
    apiVersion: 'v1',
    kind: 'ReplicationController',
    metadata: at,
    spec: { replicas: 2, selector: { app: 'web' }, template: template() },
  })
  await harness.start(replicationController())
  await settle(harness)
  expect(podsIn(harness)[0]?.metadata.ownerReferences).toMatchObject([
    { apiVersion: 'v1', kind: 'ReplicationController' },
  ])
  const { status } = await harness.client.get(replicationControllers, at)
  expect(status).toMatchObject({ replicas: 2, readyReplicas: 2, availableReplicas: 2 })
  expect((status as ReplicaSet['status'])?.terminatingReplicas).toBeUndefined()
})
