import { describe, expect, test } from '@jest/globals'
import { podAmounts } from '../../api/amounts.ts'
import type { Pod } from '../../api/types.gen.ts'
import { admit, ask, chainOver, cluster, pod } from './testing.ts'

const range = (...limits: object[]) => cluster().put('/limitranges', 'range', { spec: { limits } }, {}, 'ns')
const resources = (requests: object, limits: object = {}) => pod({}, { resources: { requests, limits } })

describe('LimitRanger', () => {
  test('fills what containers leave out, and says so', async () => {
    const objects = range({
      type: 'Container',
      default: { cpu: '1', memory: '1Gi' },
      defaultRequest: { memory: '512Mi', cpu: '500m' },
    })
    const object = pod({}, { resources: { requests: { cpu: '100m' } } })
    const stored = await admit<Pod>(chainOver(objects), ask({ object }))
    expect(stored.spec.containers[0]?.resources).toEqual({
      requests: { cpu: '100m', memory: '512Mi' },
      limits: { cpu: '1', memory: '1Gi' },
    })
    expect(stored.metadata.annotations?.['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: memory request for container c; cpu, memory limit for container c',
    )
  })

  test.each<[string, object, object, string]>([
    [
      'max',
      { type: 'Container', max: { cpu: '1' } },
      resources({}, { cpu: '2' }),
      'maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      'max without limit',
      { type: 'Container', max: { cpu: '1' } },
      pod(),
      'maximum cpu usage per Container is 1.  No limit is specified',
    ],
    [
      'min',
      { type: 'Container', min: { cpu: '1' } },
      resources({ cpu: '500m' }),
      'minimum cpu usage per Container is 1, but request is 500m',
    ],
    [
      'ratio',
      { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
      resources({ cpu: '1' }, { cpu: '3' }),
      'cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000',
    ],
    [
      'pod',
      { type: 'Pod', max: { memory: '1Gi' } },
      resources({ memory: '2Gi' }, { memory: '2Gi' }),
      'maximum memory usage per Pod is 1Gi, but limit is 2Gi',
    ],
  ])('%s', async (_name, limit, object, message) => {
    const run = admit(chainOver(range(limit)), ask({ object }))
    await expect(run).rejects.toThrow(`pods "x" is forbidden: ${message}`)
  })

  test('several problems are listed', async () => {
    const objects = range({ type: 'Container', max: { cpu: '1', memory: '1Gi' } })
    const run = admit(chainOver(objects), ask({ object: resources({}, { cpu: '2', memory: '2Gi' }) }))
    await expect(run).rejects.toThrow(
      'is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]',
    )
  })

  test('claims have bounds', async () => {
    const objects = range({ type: 'PersistentVolumeClaim', max: { storage: '1Gi' } })
    const object = { spec: { storageClassName: '', resources: { requests: { storage: '2Gi' } } } }
    await expect(admit(chainOver(objects), ask({ of: '/persistentvolumeclaims', object }))).rejects.toThrow(
      'maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi',
    )
  })
})

test.each<[string, object, string]>([
  [
    'containers add up',
    { containers: [{ resources: { requests: { cpu: '1' } } }, { resources: { requests: { cpu: '2' } } }] },
    '3',
  ],
  [
    'the largest init container counts',
    {
      containers: [{ resources: { requests: { cpu: '1' } } }],
      initContainers: [{ resources: { requests: { cpu: '5' } } }],
    },
    '5',
  ],
  [
    'sidecars run beside',
    {
      containers: [{ resources: { requests: { cpu: '1' } } }],
      initContainers: [
        { restartPolicy: 'Always', resources: { requests: { cpu: '2' } } },
        { resources: { requests: { cpu: '2' } } },
      ],
    },
    '4',
  ],
  [
    'overhead is added',
    { containers: [{ resources: { requests: { cpu: '1' } } }], overhead: { cpu: '500m' } },
    '1500m',
  ],
])('podAmounts: %s', (_name, spec, cpu) => {
  expect(String(podAmounts({ spec } as unknown as Pod, 'requests').get('cpu'))).toBe(cpu)
})

describe('ResourceQuota', () => {
  const quota = (hard: object, spec: object = {}) =>
    cluster().put('/resourcequotas', 'q', { spec: { hard, ...spec } }, {}, 'ns')
  const busy = (objects: ReturnType<typeof cluster>, name: string, body: object) =>
    objects.put('/pods', name, body, {}, 'ns')

  test('what is there counts', async () => {
    const objects = busy(quota({ 'requests.cpu': '2', pods: '5' }), 'a', resources({ cpu: '1500m' }))
    const run = admit(chainOver(objects), ask({ object: resources({ cpu: '1' }) }))
    await expect(run).rejects.toThrow(
      'pods "x" is forbidden: exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=1500m, limited: requests.cpu=2',
    )
    await admit(chainOver(objects), ask({ object: resources({ cpu: '500m' }) }))
  })

  test('pods that have ended count no longer', async () => {
    const objects = busy(quota({ pods: '1' }), 'a', { ...pod(), status: { phase: 'Succeeded' } })
    await admit(chainOver(objects), ask({ object: pod() }))
  })

  test('what is on its way counts, until it is stored or lost', async () => {
    let now = 0
    const chain = chainOver(quota({ pods: '1' }), { clock: { now: () => now } })
    const make = (name: string) => admit(chain, ask({ object: pod({}, {}, { name }), name }))
    await make('a')
    await expect(make('b')).rejects.toThrow('exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1')
    now = 5_001
    await make('b')
  })

  test('what is deleted at once does not linger', async () => {
    const chain = chainOver(quota({ pods: '1' }))
    await admit(chain, ask({ object: pod({}, {}, { name: 'a' }), name: 'a' }))
    await admit(chain, ask({ operation: 'DELETE', name: 'a', old: pod({}, {}, { name: 'a' }) }))
    await admit(chain, ask({ object: pod({}, {}, { name: 'b' }), name: 'b' }))
  })

  test('a bounded resource must be asked for', async () => {
    const run = admit(chainOver(quota({ 'limits.cpu': '1', memory: '1Gi' })), ask({ object: pod() }))
    await expect(run).rejects.toThrow('failed quota: q: must specify limits.cpu for: c; memory for: c')
  })

  test.each<[string, object, object, string]>([
    ['any kind', { 'count/configmaps': '0' }, { of: '/configmaps', object: {} }, 'requested: count/configmaps=1'],
    [
      'another group',
      { 'count/deployments.apps': '0' },
      { of: 'apps/deployments', object: {} },
      'requested: count/deployments.apps=1',
    ],
    [
      'node ports',
      { 'services.nodeports': '1' },
      { of: '/services', object: { spec: { type: 'NodePort', ports: [{}, {}] } } },
      'requested: services.nodeports=2',
    ],
    [
      'storage of a class',
      { 'gold.storageclass.storage.k8s.io/requests.storage': '1Gi' },
      {
        of: '/persistentvolumeclaims',
        object: { spec: { storageClassName: 'gold', resources: { requests: { storage: '2Gi' } } } },
      },
      'requested: gold.storageclass.storage.k8s.io/requests.storage=2Gi',
    ],
  ])('counts %s', async (_name, hard, asked, message) => {
    await expect(admit(chainOver(quota(hard)), ask(asked))).rejects.toThrow(message)
  })

  test.each<[string, object, object, boolean]>([
    ['BestEffort', { scopes: ['BestEffort'] }, pod(), true],
    ['BestEffort', { scopes: ['BestEffort'] }, resources({ cpu: '1' }), false],
    ['Terminating', { scopes: ['Terminating'] }, pod({ activeDeadlineSeconds: 5 }), true],
    ['NotTerminating', { scopes: ['NotTerminating'] }, pod({ activeDeadlineSeconds: 5 }), false],
    [
      'PriorityClass',
      {
        scopeSelector: {
          matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['system-node-critical'] }],
        },
      },
      pod({ priorityClassName: 'system-node-critical' }),
      true,
    ],
  ])('scope %s %j', async (_name, spec, object, counts) => {
    const run = admit(chainOver(quota({ pods: '0' }, spec)), ask({ object }))
    await (counts ? expect(run).rejects.toThrow('exceeded quota') : run)
  })

  test('an update counts what it adds', async () => {
    const service = (ports: number) => ({ spec: { type: 'NodePort', ports: new Array(ports).fill({}) } })
    const objects = quota({ 'services.nodeports': '2' }).put('/services', 'x', service(1), {}, 'ns')
    const update = (ports: number) =>
      admit(chainOver(objects), ask({ of: '/services', operation: 'UPDATE', object: service(ports), old: service(1) }))
    await update(2)
    await expect(update(3)).rejects.toThrow('requested: services.nodeports=2, used: services.nodeports=1')
  })
})
