import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type ControllerRevision,
  type DaemonSet,
  daemonSets,
  nodes,
  type Pod,
  pods,
} from '../../../../bootstrap/client/resources.ts'
import { nameOf } from '../../../runtime/apply.ts'
import { makeReady, node, podsIn, report, settle, template } from '../../../runtime/testing/builders.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { daemonSetController } from './daemon-set.ts'
import { nodeOf } from './placement.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  for (const name of ['n1', 'n2', 'n3'])
    harness.client.seed(nodes, node(name, { metadata: { name, labels: { name } } }))
  await harness.start(daemonSetController())
})
afterEach(() => harness.stop())

const at = { name: 'web', namespace: 'default' }
const current = () => harness.client.get(daemonSets, at)
const change = (spec: object) => harness.client.patch(daemonSets, at, { spec }, { type: 'merge' })
const where = () => podsIn(harness).map(nodeOf).sort()
const images = () =>
  podsIn(harness)
    .map(pod => pod.spec.containers[0]?.image)
    .sort()
const revisions = () =>
  [...harness.client.store.table('apps/controllerrevisions').values()] as unknown as ControllerRevision[]

async function create(spec: Partial<DaemonSet['spec']> = {}): Promise<void> {
  await harness.client.create(daemonSets, {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: at,
    spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  })
  await harness.idle()
}

/** Binds, readies and ends pods until nothing changes. */
async function run(): Promise<void> {
  for (const pod of podsIn(harness))
    if (!pod.spec.nodeName)
      await harness.client.patch(pods, nameOf(pod), { spec: { nodeName: nodeOf(pod) } }, { type: 'merge' })
  await settle(harness)
}

describe('a DaemonSet', () => {
  test('runs one pod on every node, bound to it by affinity', async () => {
    await create()
    expect(where()).toEqual(['n1', 'n2', 'n3'])
    const [revision] = revisions()
    expect(podsIn(harness)[0]).toMatchObject({
      metadata: {
        generateName: 'web-',
        labels: { app: 'web', 'controller-revision-hash': revision?.metadata.labels?.['controller-revision-hash'] },
      },
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n1'] }] }],
            },
          },
        },
      },
    })
    expect(podsIn(harness)[0]?.spec.tolerations).toHaveLength(6)
    await run()
    expect((await current()).status).toEqual({
      currentNumberScheduled: 3,
      desiredNumberScheduled: 3,
      numberMisscheduled: 0,
      numberReady: 3,
      numberAvailable: 3,
      updatedNumberScheduled: 3,
      observedGeneration: 1,
    })
  })

  test('keeps to its node selector, and follows labels', async () => {
    await create({ template: { ...template(), spec: { containers: [], nodeSelector: { name: 'n2' } } } })
    expect(where()).toEqual(['n2'])
    await harness.client.patch(nodes, { name: 'n3' }, { metadata: { labels: { name: 'n2' } } }, { type: 'merge' })
    await harness.client.patch(nodes, { name: 'n2' }, { metadata: { labels: { name: 'x' } } }, { type: 'merge' })
    await harness.idle()
    expect(where()).toEqual(['n3'])
  })

  test('heeds taints: NoSchedule keeps away, NoExecute drives out, unschedulable does neither', async () => {
    const taint = (key: string, effect: string) => ({ spec: { taints: [{ key, effect }] } })
    await harness.client.patch(nodes, { name: 'n1' }, taint('own', 'NoSchedule'), { type: 'merge' })
    await harness.client.patch(nodes, { name: 'n2' }, taint('node.kubernetes.io/unschedulable', 'NoSchedule'), {
      type: 'merge',
    })
    await create()
    expect(where()).toEqual(['n2', 'n3'])
    await harness.client.patch(nodes, { name: 'n3' }, taint('own', 'NoSchedule'), { type: 'merge' })
    await harness.idle()
    expect(where()).toEqual(['n2', 'n3'])
    expect((await current()).status).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 })
    await harness.client.patch(nodes, { name: 'n3' }, taint('own', 'NoExecute'), { type: 'merge' })
    await harness.idle()
    expect(where()).toEqual(['n2'])
  })

  test('comes to a new node and forgets one that is gone', async () => {
    await create()
    harness.client.seed(nodes, node('n4'))
    await harness.client.delete(nodes, { name: 'n1' })
    await harness.idle()
    expect(where()).toEqual(['n2', 'n3', 'n4'])
  })

  test('replaces a failed pod and says so', async () => {
    await create()
    await run()
    const [first] = podsIn(harness) as [Pod]
    await report(harness, first, { phase: 'Failed' })
    await harness.idle()
    expect(where()).toEqual(['n1', 'n2', 'n3'])
    expect(podsIn(harness).map(pod => pod.metadata.uid)).not.toContain(first.metadata.uid)
    expect(harness.events()).toContain(
      `FailedDaemonPod: Found failed daemon pod default/${first.metadata.name} on node n1, will try to kill it`,
    )
  })
})

test('pods that fail again and again are replaced ever more slowly', async () => {
  await create({ template: { ...template(), spec: { containers: [], nodeSelector: { name: 'n1' } } } })
  for (const wait of [0, 1000, 2000, 4000]) {
    const [only] = podsIn(harness) as [Pod]
    await report(harness, only, { phase: 'Failed' })
    await harness.idle()
    const { uid } = only.metadata
    if (wait > 0) {
      await harness.advance(wait - 1)
      expect(podsIn(harness)[0]?.metadata.uid).toBe(uid)
      await harness.advance(1)
    }
    expect(podsIn(harness)[0]?.metadata.uid).not.toBe(uid)
  }
})

describe('an update', () => {
  test('takes one node after the other', async () => {
    await create()
    await run()
    await change({ template: template('web:2') })
    await harness.idle()
    expect(podsIn(harness).filter(pod => pod.metadata.deletionTimestamp)).toHaveLength(1)
    for (let round = 0; round < 5; round++) {
      const unready = podsIn(harness).filter(pod => pod.metadata.deletionTimestamp || !pod.status?.conditions)
      expect(unready.length).toBeLessThanOrEqual(1)
      for (const pod of unready) {
        if (pod.metadata.deletionTimestamp) await harness.client.delete(pods, nameOf(pod), { gracePeriodSeconds: 0 })
        else await makeReady(harness, pod)
      }
      await harness.idle()
    }
    await run()
    expect(images()).toEqual(['web:2', 'web:2', 'web:2'])
    expect(revisions().map(({ revision }) => revision)).toEqual([1, 2])
    expect((await current()).status?.updatedNumberScheduled).toBe(3)
  })

  test('with a surge starts the new before it stops the old', async () => {
    await create({ updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } })
    await run()
    await change({ template: template('web:2') })
    await harness.idle()
    expect(images()).toEqual(['web:1', 'web:1', 'web:1', 'web:2'])
    await run()
    await run()
    await run()
    await run()
    expect(images()).toEqual(['web:2', 'web:2', 'web:2'])
  })

  test('on delete waits for somebody to delete', async () => {
    await create({ updateStrategy: { type: 'OnDelete' } })
    await change({ template: template('web:2') })
    await harness.idle()
    expect(images()).toEqual(['web:1', 'web:1', 'web:1'])
    await harness.client.delete(pods, nameOf(podsIn(harness)[0] as Pod))
    await harness.idle()
    expect(images()).toEqual(['web:1', 'web:1', 'web:2'])
  })

  test('back to an earlier template renumbers its revision; the history is limited', async () => {
    await create({ revisionHistoryLimit: 1 })
    for (const name of ['web:2', 'web:3', 'web:1']) {
      await change({ template: template(name) })
      await run()
    }
    expect(
      revisions()
        .map(({ revision }) => revision)
        .sort(),
    ).toEqual([3, 4])
    expect(images()).toEqual(['web:1', 'web:1', 'web:1'])
  })
})
