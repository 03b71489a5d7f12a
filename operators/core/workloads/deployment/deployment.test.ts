import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Deployment, deployments, type ReplicaSet, replicaSets } from '../../../../bootstrap/client/resources.ts'
import { deployment, makeReady, podsIn, settle, template } from '../../../runtime/testing/builders.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { replicaSetController } from '../replica-set.ts'
import { templateHash } from '../template-hash.ts'
import { deploymentController } from './deployment.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(deploymentController(), replicaSetController())
})
afterEach(() => harness.stop())

const at = { name: 'web', namespace: 'default' }
const current = () => harness.client.get(deployments, at)
const sets = () => [...harness.client.store.table('apps/replicasets').values()] as unknown as ReplicaSet[]
const sizes = () => sets().map(set => set.spec.replicas)
const change = (spec: object) => harness.client.patch(deployments, at, { spec }, { type: 'merge' })
const image = (name: string) => ({ template: template(name) })
const condition = async (type: string) => (await current()).status?.conditions?.find(found => found.type === type)

async function create(spec: Partial<Deployment['spec']> = {}): Promise<void> {
  await harness.client.create(deployments, deployment(spec))
  await harness.idle()
}

describe('a new Deployment', () => {
  test('makes one ReplicaSet, named and labelled by its hash', async () => {
    await create()
    const hash = templateHash(template(), undefined)
    expect(sets()).toMatchObject([
      {
        metadata: {
          name: `web-${hash}`,
          labels: { app: 'web', 'pod-template-hash': hash },
          annotations: {
            'deployment.kubernetes.io/revision': '1',
            'deployment.kubernetes.io/desired-replicas': '3',
            'deployment.kubernetes.io/max-replicas': '4',
          },
          ownerReferences: [{ kind: 'Deployment', name: 'web', controller: true, blockOwnerDeletion: true }],
        },
        spec: { replicas: 3, selector: { matchLabels: { app: 'web', 'pod-template-hash': hash } } },
      },
    ])
    expect((await current()).metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' })
    expect(await condition('Progressing')).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' })
    expect(await condition('Available')).toMatchObject({ status: 'False', reason: 'MinimumReplicasUnavailable' })
    expect(harness.events()).toContain(`ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`)
  })

  test('is complete when its pods are available', async () => {
    await create()
    await settle(harness)
    const name = sets()[0]?.metadata.name
    expect((await current()).status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    })
    expect(await condition('Progressing')).toMatchObject({
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${name}" has successfully progressed.`,
    })
    expect(await condition('Available')).toMatchObject({
      reason: 'MinimumReplicasAvailable',
      message: 'Deployment has minimum availability.',
    })
  })
})

describe('a rolling update', () => {
  test('stays within surge and unavailability', async () => {
    await create({
      replicas: 4,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
    })
    await settle(harness)
    await change(image('web:2'))
    await harness.idle()
    expect(sizes()).toEqual([3, 2])
    for (let round = 0; round < 20; round++) {
      const next = podsIn(harness).find(pod => !pod.status?.conditions)
      if (!next) break
      await makeReady(harness, next)
      await harness.idle()
      const ready = podsIn(harness).filter(pod => pod.status?.conditions).length
      expect(ready).toBeGreaterThanOrEqual(3)
      expect(podsIn(harness).length).toBeLessThanOrEqual(5)
    }
    expect(sizes()).toEqual([0, 4])
    expect((await current()).metadata.annotations).toMatchObject({ 'deployment.kubernetes.io/revision': '2' })
  })

  test('gives up unhealthy old pods first', async () => {
    await create({ replicas: 3, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } })
    await change(image('web:2'))
    await settle(harness)
    expect(sizes()).toEqual([0, 3])
  })

  test('rolls over to a third template before the second is done', async () => {
    await create()
    await settle(harness)
    await change(image('web:2'))
    await harness.idle()
    await change(image('web:3'))
    await settle(harness)
    expect(sizes()).toEqual([0, 0, 3])
    expect(sets().map(set => set.metadata.annotations?.['deployment.kubernetes.io/revision'])).toEqual(['1', '2', '3'])
  })

  test('goes back to an old template by giving its set a new revision', async () => {
    await create()
    await settle(harness)
    await change(image('web:2'))
    await settle(harness)
    await change(image('web:1'))
    await settle(harness)
    expect(sizes()).toEqual([3, 0])
    expect(sets()[0]?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '3',
      'deployment.kubernetes.io/revision-history': '1',
    })
  })

  test('scales all sets in proportion', async () => {
    await create({ replicas: 10, strategy: { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } })
    await settle(harness)
    await change(image('web:2'))
    await harness.idle()
    expect(sizes()).toEqual([8, 5])
    await change({ replicas: 15 })
    await harness.idle()
    expect(sizes()).toEqual([11, 7])
    await settle(harness)
    expect(sizes()).toEqual([0, 15])
  })

  test('keeps only as many old sets as the history limit', async () => {
    await create({ revisionHistoryLimit: 1 })
    await settle(harness)
    for (const name of ['web:2', 'web:3', 'web:4']) {
      await change(image(name))
      await settle(harness)
    }
    expect(sets().map(set => set.metadata.annotations?.['deployment.kubernetes.io/revision'])).toEqual(['3', '4'])
  })

  test('runs into its deadline', async () => {
    await create({ progressDeadlineSeconds: 60 })
    const name = sets()[0]?.metadata.name
    await harness.advance(59_000)
    expect(await condition('Progressing')).toMatchObject({ status: 'True' })
    await harness.advance(3000)
    expect(await condition('Progressing')).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `ReplicaSet "${name}" has timed out progressing.`,
    })
    await settle(harness)
    expect(await condition('Progressing')).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' })
  })
})

test('Recreate stops all old pods before it starts new ones', async () => {
  await create({ strategy: { type: 'Recreate' } })
  await settle(harness)
  for (const pod of podsIn(harness))
    await harness.client.patch(
      { group: '', version: 'v1', resource: 'pods', kind: 'Pod', namespaced: true },
      { name: pod.metadata.name ?? '', namespace: 'default' },
      { spec: { nodeName: 'n' } },
      { type: 'merge' },
    )
  await change(image('web:2'))
  await harness.idle()
  expect(sizes()).toEqual([0])
  expect(podsIn(harness)).toHaveLength(3)
  await settle(harness)
  expect(sizes()).toEqual([0, 3])
})

test('a paused Deployment scales but does not roll out', async () => {
  await create()
  await settle(harness)
  await change({ paused: true, replicas: 5, ...image('web:2') })
  await harness.idle()
  expect(sizes()).toEqual([5])
  expect(await condition('Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' })
  await change({ paused: false })
  await settle(harness)
  expect(sizes()).toEqual([0, 5])
})

test('adopts a matching ReplicaSet whose template is the same', async () => {
  await harness.client.create(replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'old', namespace: 'default', labels: { app: 'web' } },
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template() },
  })
  await create()
  expect(sets()).toMatchObject([{ metadata: { name: 'old', ownerReferences: [{ name: 'web' }] } }])
  await settle(harness)
  expect(sizes()).toEqual([3])
})

test('another set of the same hash raises the collision count', async () => {
  const hash = templateHash(template(), undefined)
  await harness.client.create(replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: `web-${hash}`, namespace: 'default' },
    spec: { replicas: 0, selector: { matchLabels: { app: 'other' } }, template: template('other', { app: 'other' }) },
  })
  await create()
  await harness.advance(100)
  expect((await current()).status?.collisionCount).toBe(1)
  expect(sets().map(set => set.metadata.name)).toEqual([`web-${hash}`, `web-${templateHash(template(), 1)}`])
})

test('a stale cache never makes a second ReplicaSet', async () => {
  await create()
  harness.client.store.pause()
  await change(image('web:2'))
  harness.client.store.resume()
  await settle(harness)
  await harness.client.patch(deployments, at, { metadata: { annotations: { note: 'x' } } }, { type: 'merge' })
  await settle(harness)
  expect(sets()).toHaveLength(2)
  expect(sets()[1]?.metadata.annotations).toMatchObject({ note: 'x' })
})
