import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Pod, pods, type StatefulSet, statefulSets } from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { makeReady, podsIn, report, settle, template } from '../../../runtime/testing/builders.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { statefulSetController } from './stateful-set.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(statefulSetController())
})
afterEach(() => harness.stop())

const at = { name: 'web', namespace: 'default' }
const current = () => harness.client.get(statefulSets, at)
const change = (spec: object) => harness.client.patch(statefulSets, at, { spec }, { type: 'merge' })
const names = () => podsIn(harness).map(pod => pod.metadata.name)
const pod = (name: string) => podsIn(harness).find(found => found.metadata.name === name) as Pod
const images = () =>
  Object.fromEntries(podsIn(harness).map(found => [found.metadata.name, found.spec.containers[0]?.image]))

async function create(spec: Partial<StatefulSet['spec']> = {}): Promise<void> {
  await harness.client.create(statefulSets, {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: at,
    spec: { replicas: 3, serviceName: 'svc', selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  })
  await harness.idle()
}

describe('a StatefulSet', () => {
  test('starts its pods one after the other, with names that last', async () => {
    await create()
    for (const expected of [['web-0'], ['web-0', 'web-1'], ['web-0', 'web-1', 'web-2']]) {
      expect(names()).toEqual(expected)
      await makeReady(harness, pod(expected.at(-1) ?? ''))
      await harness.idle()
    }
    const { status } = await current()
    expect(pod('web-1')).toMatchObject({
      metadata: {
        labels: {
          app: 'web',
          'statefulset.kubernetes.io/pod-name': 'web-1',
          'apps.kubernetes.io/pod-index': '1',
          'controller-revision-hash': status?.currentRevision,
        },
      },
      spec: { hostname: 'web-1', subdomain: 'svc' },
    })
    expect(status).toMatchObject({
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
    })
    expect(harness.events()).toContain('SuccessfulCreate: create Pod web-0 in StatefulSet web successful')
  })

  test('scales down from the end, one at a time', async () => {
    await create()
    await settle(harness)
    for (const found of podsIn(harness))
      await harness.client.patch(pods, nameOf(found), { spec: { nodeName: 'n' } }, { type: 'merge' })
    await change({ replicas: 1 })
    await harness.idle()
    expect(
      podsIn(harness)
        .filter(found => found.metadata.deletionTimestamp)
        .map(found => found.metadata.name),
    ).toEqual(['web-2'])
    await settle(harness)
    expect(names()).toEqual(['web-0'])
  })

  test('in parallel waits for nobody', async () => {
    await create({ podManagementPolicy: 'Parallel', ordinals: { start: 5 } })
    expect(names()).toEqual(['web-5', 'web-6', 'web-7'])
    await change({ replicas: 0 })
    await harness.idle()
    expect(names()).toEqual([])
  })

  test('gives each pod its claims and leaves them when it goes', async () => {
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data' }, spec: {} }
    await create({ replicas: 1, volumeClaimTemplates: [claim] })
    expect(pod('web-0').spec.volumes).toEqual([
      { name: 'data', persistentVolumeClaim: { claimName: 'data-web-0', readOnly: false } },
    ])
    await change({ replicas: 0 })
    await settle(harness)
    expect([...harness.client.store.table('/persistentvolumeclaims').keys()]).toEqual(['default/data-web-0'])
  })

  test('makes a failed pod anew under its name', async () => {
    await create({ replicas: 1 })
    const { uid } = pod('web-0').metadata
    await report(harness, pod('web-0'), { phase: 'Failed' })
    await harness.idle()
    expect(pod('web-0').metadata.uid).not.toBe(uid)
    expect(harness.events()).toContain('RecreatingFailedPod: StatefulSet default/web is recreating failed Pod web-0')
  })
})

describe('an update', () => {
  test('goes from the last pod to the first, each after the one before is ready', async () => {
    await create()
    await settle(harness)
    await change({ template: template('web:2') })
    await harness.idle()
    expect(images()).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:2' })
    expect((await current()).status).toMatchObject({ currentReplicas: 2, updatedReplicas: 1 })
    await settle(harness)
    expect(images()).toEqual({ 'web-0': 'web:2', 'web-1': 'web:2', 'web-2': 'web:2' })
    const { status } = await current()
    expect(status?.currentRevision).toBe(status?.updateRevision)
  })

  test('stops at its partition, and keeps the old template below it', async () => {
    await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } })
    await settle(harness)
    await change({ template: template('web:2') })
    await settle(harness)
    expect(images()).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:2' })
    await harness.client.delete(pods, nameOf(pod('web-0')))
    await settle(harness)
    expect(images()).toEqual({ 'web-0': 'web:1', 'web-1': 'web:1', 'web-2': 'web:2' })
  })

  test('on delete waits for somebody to delete', async () => {
    await create({ updateStrategy: { type: 'OnDelete' } })
    await settle(harness)
    await change({ template: template('web:2') })
    await settle(harness)
    expect(new Set(Object.values(images()))).toEqual(new Set(['web:1']))
    await harness.client.delete(pods, nameOf(pod('web-1')))
    await settle(harness)
    expect(images()).toMatchObject({ 'web-0': 'web:1', 'web-1': 'web:2' })
  })
})
