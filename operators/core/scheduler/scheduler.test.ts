import { beforeEach, describe, expect, test } from '@jest/globals'
import { errors } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import {
  type Node,
  nodes,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  type StorageClass,
  storageClasses,
} from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { storageOperators } from '../storage/index.ts'
import { schedulerOperator } from './scheduler.ts'

let harness: Harness
beforeEach(() => {
  harness = new Harness()
})

async function addNode(name: string, options: { cpu?: string; labels?: object; spec?: object } = {}): Promise<void> {
  const metadata = { name, labels: { 'kubernetes.io/hostname': name, ...options.labels } }
  await harness.client.create(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata,
    spec: options.spec ?? {},
  } as unknown as Node)
  const status = { allocatable: { cpu: options.cpu ?? '2', memory: '4Gi', pods: '10' } }
  await harness.client.patch(nodes, { name }, { status }, { type: 'merge', subresource: 'status' })
}

const addPod = (name: string, spec: object = {}, labels: object = {}) =>
  harness.client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: { containers: [{ name: 'c', image: 'i' }], schedulerName: 'default-scheduler', ...spec },
  } as unknown as Pod)

const asking = (cpu: string, more: object = {}) => ({
  containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }],
  ...more,
})

const pod = (name: string) => harness.client.get(pods, { name, namespace: 'default' })
const placeOf = async (name: string) => (await pod(name)).spec.nodeName
const whyNot = async (name: string) =>
  (await pod(name)).status?.conditions?.find(condition => condition.type === 'PodScheduled')?.message
const start = () => harness.start(schedulerOperator())

test('a pod gets the node with room, and an event', async () => {
  await addNode('small', { cpu: '500m' })
  await addNode('large', { cpu: '4' })
  await addPod('web', asking('1'))
  await start()
  expect(await placeOf('web')).toBe('large')
  expect(harness.events()).toContainEqual(
    expect.stringContaining('Scheduled: Successfully assigned default/web to large'),
  )
})

test('a write that fails for a moment delays one pod alone, and it is tried again', async () => {
  await addNode('n')
  await addPod('unlucky', { priority: 10 })
  await addPod('other')
  let failures = 2
  harness.client.before = ({ resource, subresource, name }) => {
    if (resource === 'pods' && subresource === 'binding' && name === 'unlucky' && failures-- > 0)
      throw errors.internal('not now')
  }
  await start()
  expect([await placeOf('unlucky'), await placeOf('other')]).toEqual([undefined, 'n'])
  await harness.advance(60_000)
  expect(await placeOf('unlucky')).toBe('n')
})

describe('what keeps a pod off a node', () => {
  test.each<[string, object, object, string]>([
    ['too little CPU', {}, asking('3'), '1 Insufficient cpu'],
    ['a taint', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }, {}, '1 node(s) had untolerated taint(s)'],
    ['a cordon', { spec: { unschedulable: true } }, {}, '1 node(s) were unschedulable'],
    ['its selector', {}, { nodeSelector: { disk: 'ssd' } }, "1 node(s) didn't match Pod's node affinity/selector"],
    [
      'required affinity',
      {},
      {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }],
            },
          },
        },
      },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    [
      'a missing claim',
      {},
      { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] },
      'persistentvolumeclaim "data" not found',
    ],
  ])('%s', async (_, node, spec, reason) => {
    await addNode('n', node)
    await addPod('web', spec)
    await start()
    expect(await placeOf('web')).toBeUndefined()
    expect(await whyNot('web')).toContain(`0/1 nodes are available: ${reason}`)
  })

  test('a host port in use', async () => {
    const port = { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }] }
    await addNode('n')
    await addPod('first', port)
    await start()
    await addPod('second', port)
    await harness.idle()
    expect(await whyNot('second')).toContain("1 node(s) didn't have free ports for the requested pod ports")
  })
})

test('tolerations open tainted nodes', async () => {
  await addNode('n', { spec: { taints: [{ key: 'a', value: 'x', effect: 'NoSchedule' }] } })
  await addPod('equal', { tolerations: [{ key: 'a', operator: 'Equal', value: 'x', effect: 'NoSchedule' }] })
  await addPod('all', { tolerations: [{ operator: 'Exists' }] })
  await start()
  expect([await placeOf('equal'), await placeOf('all')]).toEqual(['n', 'n'])
})

test('a waiting pod is placed when a node comes, when one is uncordoned, and when a pod goes', async () => {
  await addPod('one', asking('2'))
  await start()
  expect(await whyNot('one')).toBe('no nodes available to schedule pods')
  await addNode('n')
  await harness.idle()
  expect(await placeOf('one')).toBe('n')
  await addPod('two', asking('2'))
  await harness.idle()
  expect(await placeOf('two')).toBeUndefined()
  await harness.client.delete(pods, { name: 'one', namespace: 'default' }, { gracePeriodSeconds: 0 })
  await harness.idle()
  expect(await placeOf('two')).toBe('n')
})

test('more important pods come first', async () => {
  await addPod('low', asking('2', { priority: 1 }))
  await addPod('high', asking('2', { priority: 10 }))
  await addNode('n')
  await start()
  expect([await placeOf('low'), await placeOf('high')]).toEqual([undefined, 'n'])
})

test('an important pod displaces the least important that make room', async () => {
  await addNode('n')
  await addPod('small', asking('500m', { priority: 1 }))
  await addPod('big', asking('1500m', { priority: 2 }))
  await start()
  await addPod('vip', asking('500m', { priority: 100 }))
  await harness.idle()
  const left = (await harness.client.list(pods)).items.filter(item => item.metadata.deletionTimestamp === undefined)
  expect(left.map(item => item.metadata.name).sort()).toEqual(['big', 'vip'])
  expect(harness.events()).toContainEqual(expect.stringContaining('Preempted'))
})

test('anti-affinity spreads over nodes, affinity gathers', async () => {
  const anti = (label: string) => ({
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: label } } },
        ],
      },
    },
  })
  await addNode('a')
  await addNode('b')
  for (const name of ['w1', 'w2', 'w3']) await addPod(name, anti('w'), { app: 'w' })
  await start()
  const places = await Promise.all(['w1', 'w2', 'w3'].map(placeOf))
  expect(places.filter(place => place !== undefined).sort()).toEqual(['a', 'b'])
  const near = {
    affinity: {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { only: 'x' } } },
        ],
      },
    },
  }
  await addPod('anchor', { nodeSelector: { 'kubernetes.io/hostname': 'b' } }, { only: 'x' })
  await harness.idle()
  await addPod('follower', near)
  await harness.idle()
  expect(await placeOf('follower')).toBe('b')
})

test('topology spread refuses a skew that is too large', async () => {
  const spread = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: { app: 's' } },
      },
    ],
  }
  await addNode('a', { cpu: '100' })
  await addNode('b', { cpu: '1' })
  for (const name of ['s1', 's2', 's3', 's4']) await addPod(name, spread, { app: 's' })
  await start()
  const places = await Promise.all(['s1', 's2', 's3', 's4'].map(placeOf))
  expect(places.filter(place => place === 'a')).toHaveLength(2)
})

test('pods of another scheduler and gated pods are left alone', async () => {
  await addNode('n')
  await addPod('other', { schedulerName: 'mine' })
  await addPod('gated', { schedulingGates: [{ name: 'wait' }] })
  await start()
  expect([await placeOf('other'), await placeOf('gated')]).toEqual([undefined, undefined])
})

test('a claim that waits for its first consumer is bound to a volume of the chosen node, then the pod runs there', async () => {
  const object = (kind: string, name: string, rest: object): KubeObject => ({
    apiVersion: 'v1',
    kind,
    metadata: { name },
    ...rest,
  })
  await harness.client.create(
    storageClasses,
    object('StorageClass', 'local', {
      provisioner: 'kubernetes.io/no-provisioner',
      volumeBindingMode: 'WaitForFirstConsumer',
    }) as unknown as StorageClass,
  )
  const onlyB = {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['b'] }] }],
    },
  }
  const spec = {
    capacity: { storage: '5Gi' },
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'local',
    nodeAffinity: onlyB,
  }
  await harness.client.create(
    persistentVolumes,
    object('PersistentVolume', 'pv', { spec }) as unknown as PersistentVolume,
  )
  const claim = {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data', namespace: 'default' },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'local', resources: { requests: { storage: '1Gi' } } },
  }
  await harness.client.create(persistentVolumeClaims, claim as unknown as PersistentVolumeClaim)
  await addNode('a')
  await addNode('b')
  await harness.start(schedulerOperator(), ...storageOperators)
  expect((await harness.client.get(persistentVolumeClaims, { name: 'data', namespace: 'default' })).status?.phase).toBe(
    'Pending',
  )
  await addPod('db', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] })
  await harness.idle()
  expect(await placeOf('db')).toBe('b')
  const bound = await harness.client.get(persistentVolumeClaims, { name: 'data', namespace: 'default' })
  expect(bound).toMatchObject({ spec: { volumeName: 'pv' }, status: { phase: 'Bound', capacity: { storage: '5Gi' } } })
  expect(await harness.client.get(persistentVolumes, { name: 'pv' })).toMatchObject({
    spec: { claimRef: { name: 'data' } },
    status: { phase: 'Bound' },
  })
})
