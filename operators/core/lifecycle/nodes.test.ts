import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type Job, jobs, leases, type Node, nodes, type Pod, pods } from '../../../bootstrap/client/resources.ts'
import { node, podsIn } from '../../runtime/testing/builders.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { microTimestamp, timestamp } from '../../runtime/time.ts'
import { ttlAfterFinished } from './finished-jobs.ts'
import { nodeLifecycleController, nodeMonitorSettings } from './node-lifecycle.ts'
import { podGarbageCollector } from './pod-gc.ts'
import { taintEvictionController } from './taint-eviction.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})
afterEach(() => harness.stop())

const ready = (status = 'True') => ({
  conditions: [{ type: 'Ready', status, lastHeartbeatTime: timestamp(harness.clock.now()), lastTransitionTime: 'x' }],
})
const current = (name: string) => harness.client.get(nodes, { name })
const conditionOf = (object: Node, type: string) => object.status?.conditions?.find(found => found.type === type)
const taints = async (name: string) =>
  ((await current(name)).spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`)
const report = (name: string, status: object) =>
  harness.client.patch(nodes, { name }, { status }, { type: 'merge', subresource: 'status' })

const pod = (name: string, spec: object = {}, status: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { containers: [], nodeName: 'n1', ...spec },
  status: { phase: 'Running', ...status },
})
const names = () => podsIn(harness).map(found => found.metadata.name)
const doomed = () =>
  podsIn(harness)
    .filter(found => found.metadata.deletionTimestamp)
    .map(found => found.metadata.name)

describe('node lifecycle', () => {
  beforeEach(async () => {
    for (const name of ['n1', 'n2']) harness.client.seed(nodes, node(name, { status: ready() }))
    await harness.start(nodeLifecycleController())
  })

  async function renew(name: string): Promise<void> {
    const spec = { holderIdentity: name, renewTime: microTimestamp(harness.clock.now()) }
    const metadata = { name, namespace: 'kube-node-lease' }
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
    await harness.client.patch(leases, metadata, lease, { type: 'apply' })
    await harness.idle()
  }

  test('a silent node becomes Unknown after 40 s, one that renews its lease does not', async () => {
    harness.client.seed(pods, pod('a', {}, { conditions: [{ type: 'Ready', status: 'True' }] }))
    for (let second = 0; second < 50; second += 10) {
      await renew('n2')
      await harness.advance(10_000)
    }
    expect(conditionOf(await current('n1'), 'Ready')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    })
    expect(conditionOf(await current('n1'), 'DiskPressure')).toMatchObject({ reason: 'NodeStatusNeverUpdated' })
    expect(await taints('n1')).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ])
    expect(conditionOf(await current('n2'), 'Ready')).toMatchObject({ status: 'True' })
    expect(podsIn(harness)[0]?.status?.conditions).toMatchObject([{ type: 'Ready', status: 'False' }])
    expect(harness.events()).toContain('NodeNotReady: Node n1 status is now: NodeNotReady')
    await report('n1', ready())
    await harness.idle()
    expect(await taints('n1')).toEqual([])
  })

  test('conditions become taints, others stay', async () => {
    await harness.client.patch(
      nodes,
      { name: 'n1' },
      { spec: { unschedulable: true, taints: [{ key: 'own', effect: 'NoSchedule' }] } },
      { type: 'merge' },
    )
    await report('n1', { conditions: [...ready('False').conditions, { type: 'MemoryPressure', status: 'True' }] })
    await harness.idle()
    expect((await taints('n1')).sort()).toEqual([
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/not-ready:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
      'own:NoSchedule',
    ])
    expect((await current('n1')).spec.taints?.[1]?.timeAdded).toBe('2026-01-01T00:00:00Z')
  })

  test('nobody is driven out while no node is ready', async () => {
    await report('n1', ready('False'))
    await report('n2', ready('False'))
    await harness.idle()
    expect(await taints('n1')).toEqual(['node.kubernetes.io/not-ready:NoSchedule'])
    await report('n2', ready())
    await harness.idle()
    expect(await taints('n1')).toContain('node.kubernetes.io/not-ready:NoExecute')
  })
})

describe('taint eviction', () => {
  const tolerating = (tolerationSeconds?: number) => ({
    tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds }],
  })
  const taint = (...list: object[]) =>
    harness.client.patch(nodes, { name: 'n1' }, { spec: { taints: list } }, { type: 'merge' })

  beforeEach(async () => {
    harness.client.seed(nodes, node('n1'))
    harness.client.seed(pods, pod('plain'))
    harness.client.seed(pods, pod('patient', tolerating(30)))
    harness.client.seed(pods, pod('loyal', tolerating()))
    harness.client.seed(pods, pod('elsewhere', { nodeName: 'n2' }))
    await harness.start(taintEvictionController())
  })

  test('takes pods as their toleration ends', async () => {
    await taint({ key: 'k', effect: 'NoExecute', timeAdded: timestamp(harness.clock.now()) })
    await harness.idle()
    expect(doomed()).toEqual(['plain'])
    expect(podsIn(harness)[0]?.status?.conditions).toMatchObject([
      { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' },
    ])
    await harness.advance(29_000)
    expect(doomed()).toEqual(['plain'])
    await harness.advance(1000)
    expect(doomed()).toEqual(['plain', 'patient'])
    expect(harness.events()).toContain('TaintManagerEviction: Marking for deletion Pod default/patient')
  })

  test('is called off when the taint goes', async () => {
    await taint({ key: 'k', effect: 'NoExecute', timeAdded: timestamp(harness.clock.now()) })
    await harness.advance(10_000)
    await taint()
    await harness.advance(60_000)
    expect(doomed()).toEqual(['plain'])
    expect(harness.events()).toContain('TaintManagerEviction: Cancelling deletion of Pod default/patient')
  })

  test('minds NoExecute only', async () => {
    await taint({ key: 'k', effect: 'NoSchedule' })
    await harness.idle()
    expect(doomed()).toEqual([])
  })
})

test.each([
  [[], { graceMs: 50_000, startGraceMs: 60_000 }],
  [['node-monitor-grace-period=16s', 'v=2'], { graceMs: 16_000, startGraceMs: 60_000 }],
  [['--node-startup-grace-period=2m'], { graceMs: 50_000, startGraceMs: 120_000 }],
])('the patience with nodes is as the arguments %j say', (args, expected) => {
  expect(nodeMonitorSettings(args)).toEqual(expected)
})

test('a grace period that is none is refused', () => {
  expect(() => nodeMonitorSettings(['node-monitor-grace-period=soon'])).toThrow('want a duration such as 50s')
})

describe('pod garbage collection', () => {
  test('gives up pods 40 s after their node is gone', async () => {
    harness.client.seed(nodes, node('n1'))
    harness.client.seed(pods, pod('a'))
    harness.client.seed(pods, pod('b', { nodeName: 'never' }))
    await harness.start(podGarbageCollector())
    await harness.client.delete(nodes, { name: 'n1' })
    await harness.advance(39_000)
    expect(names()).toEqual(['a', 'b'])
    await harness.advance(1000)
    expect(names()).toEqual([])
  })

  test('removes a deleted pod that no node has', async () => {
    harness.client.seed(pods, {
      ...pod('a', { nodeName: undefined }, { phase: 'Pending' }),
      metadata: { name: 'a', namespace: 'default', finalizers: ['x'] },
    })
    await harness.start(podGarbageCollector())
    await harness.client.delete(pods, { name: 'a', namespace: 'default' })
    await harness.client.patch(
      pods,
      { name: 'a', namespace: 'default' },
      { metadata: { finalizers: null } },
      { type: 'merge' },
    )
    await harness.idle()
    expect(names()).toEqual([])
  })

  test('keeps only so many ended pods, the newest', async () => {
    harness.client.seed(nodes, node('n1'))
    for (const name of ['a', 'b', 'c']) {
      harness.client.seed(pods, pod(name, {}, { phase: 'Succeeded' }))
      await harness.advance(1000)
    }
    await harness.start(podGarbageCollector(2))
    expect(names()).toEqual(['b', 'c'])
  })
})

describe('finished Jobs', () => {
  const job = (ttlSecondsAfterFinished: number | undefined, type: string): Job => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `${type}-${ttlSecondsAfterFinished}`.toLowerCase(), namespace: 'default' },
    spec: { ttlSecondsAfterFinished, template: {} },
    status: { conditions: [{ type, status: 'True', lastTransitionTime: timestamp(harness.clock.now()) }] },
  })

  test('go when their time is over', async () => {
    for (const ttl of [0, 30, undefined]) harness.client.seed(jobs, job(ttl, 'Complete'))
    harness.client.seed(jobs, job(30, 'Suspended'))
    await harness.start(ttlAfterFinished())
    const left = () => [...harness.client.store.table('batch/jobs').values()]
    const waiting = () =>
      left()
        .filter(found => !found.metadata.deletionTimestamp)
        .map(found => found.metadata.name)
    expect(waiting()).toEqual(['complete-30', 'complete-undefined', 'suspended-30'])
    await harness.advance(30_000)
    expect(waiting()).toEqual(['complete-undefined', 'suspended-30'])
    expect(left()[0]?.metadata.finalizers).toEqual(['foregroundDeletion'])
  })
})
