import { describe, expect, test } from '@jest/globals'
import { cells, create, objectOf, testNow, update, updateStatus } from '../harness.ts'
import { strategyOf } from '../index.ts'
import type { Strategy } from '../kind.ts'

const of = (kind: string): Strategy => strategyOf('', kind)
const object = (kind: string, fields: object) => objectOf('v1', kind, fields)
const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('what is stored', () => {
  const cases: [string, object, object][] = [
    ['Namespace', {}, { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } }],
    ['Namespace', { metadata: { name: 'n' } }, { metadata: { labels: { 'kubernetes.io/metadata.name': 'n' } } }],
    ['Node', { status: { capacity: { cpu: '2' } } }, { status: { capacity: { cpu: '2' }, allocatable: { cpu: '2' } } }],
    ['Secret', { stringData: { a: 'b' } }, { type: 'Opaque', data: { a: base64('b') } }],
    [
      'PersistentVolumeClaim',
      { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } } } },
      { spec: { volumeMode: 'Filesystem', resources: { requests: { storage: '1Gi' } } }, status: { phase: 'Pending' } },
    ],
    [
      'PersistentVolume',
      { spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/x' } } },
      {
        spec: { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem', hostPath: { type: '' } },
        status: { phase: 'Pending', lastPhaseTransitionTime: '2026-01-02T03:04:05Z' },
      },
    ],
    [
      'LimitRange',
      { spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { memory: '1Mi' } }] } },
      { spec: { limits: [{ default: { cpu: '1' }, defaultRequest: { cpu: '1', memory: '1Mi' } }] } },
    ],
    [
      'ReplicationController',
      { spec: { template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } } } },
      { metadata: { labels: { a: 'b' } }, spec: { replicas: 1, selector: { a: 'b' } }, status: { replicas: 0 } },
    ],
    [
      'Endpoints',
      { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 1 }] }] },
      { subsets: [{ ports: [{ protocol: 'TCP' }] }] },
    ],
  ]
  test.each(cases)('%s %j', (kind, fields, expected) => {
    const { object: stored, errors } = create(of(kind), object(kind, fields))
    expect(errors).toEqual([])
    expect(stored).toMatchObject(expected)
  })

  test('stringData is never stored', () => {
    expect(create(of('Secret'), object('Secret', { stringData: { a: 'b' } })).object).not.toHaveProperty('stringData')
  })
})

describe('what is refused', () => {
  const cases: [string, object, string[]][] = [
    [
      'ConfigMap',
      { data: { 'a/b': '' } },
      [
        `data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`,
      ],
    ],
    ['ConfigMap', { data: { a: 'x'.repeat(1048577) } }, [': Too long: may not be more than 1048576 bytes']],
    ['Secret', { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }, ['data[tls.key]: Required value']],
    [
      'Secret',
      { type: 'kubernetes.io/service-account-token' },
      ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
    ],
    [
      'PersistentVolumeClaim',
      { spec: {} },
      [
        'spec.accessModes: Required value: at least 1 access mode is required',
        'spec.resources[storage]: Required value',
      ],
    ],
    [
      'PersistentVolume',
      { spec: {} },
      [
        'spec.accessModes: Required value',
        'spec.capacity: Required value',
        'spec: Required value: must specify a volume type',
      ],
    ],
    [
      'ResourceQuota',
      { spec: { hard: { things: '1', pods: '-1' } } },
      [
        'spec.hard[things]: Invalid value: "things": must be a standard resource for quota',
        'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0',
      ],
    ],
    [
      'LimitRange',
      { spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '2' } }] } },
      [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than default request value 1',
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      ],
    ],
    [
      'Event',
      { involvedObject: { namespace: 'other' } },
      ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ],
    ['Node', { spec: { taints: [{ key: 'a' }] } }, ['spec.taints[0].effect: Required value']],
    ['Endpoints', { subsets: [{}] }, ['subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`']],
  ]
  test.each(cases)('%s %#', (kind, fields, errors) => {
    expect(create(of(kind), object(kind, fields)).errors).toEqual(errors)
  })
})

describe('what updates may not do', () => {
  const frozen = { immutable: true, data: { a: base64('b') } }
  const claim = object('PersistentVolumeClaim', {
    spec: {
      accessModes: ['ReadWriteOnce'],
      volumeMode: 'Filesystem',
      resources: { requests: { storage: '2Gi' } },
      volumeName: 'v',
    },
    status: { phase: 'Bound', capacity: { storage: '2Gi' } },
  })
  const cases: [string, ReturnType<typeof object>, object, string[]][] = [
    [
      'ConfigMap',
      object('ConfigMap', frozen),
      { data: { a: 'c' } },
      ['data: Forbidden: field is immutable when `immutable` is set'],
    ],
    [
      'Secret',
      object('Secret', { ...frozen, type: 'Opaque' }),
      { immutable: false },
      ['immutable: Forbidden: field is immutable when `immutable` is set'],
    ],
    ['Secret', object('Secret', { type: 'a' }), { type: 'b' }, ['type: Invalid value: "b": field is immutable']],
    [
      'PersistentVolumeClaim',
      claim,
      { spec: { ...(claim.spec as object), resources: { requests: { storage: '1Gi' } } } },
      ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    ],
    [
      'PersistentVolumeClaim',
      claim,
      { spec: { ...(claim.spec as object), accessModes: ['ReadWriteMany'] } },
      [
        'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
      ],
    ],
    [
      'Node',
      object('Node', { spec: { podCIDR: '10.0.0.0/24', podCIDRs: ['10.0.0.0/24'] } }),
      { spec: { podCIDR: '10.0.1.0/24', podCIDRs: ['10.0.1.0/24'] } },
      ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ],
    ['Node', object('Node', { spec: {} }), { spec: { unschedulable: true, providerID: 'k3s://x' } }, []],
  ]
  test.each(cases)('%s %#', (kind, old, change, errors) => {
    expect(update(of(kind), old, draft => Object.assign(draft, change)).errors).toEqual(errors)
  })

  test('a namespace keeps its finalizers and phase', () => {
    const stored = create(of('Namespace'), object('Namespace', {})).object
    const { object: updated } = update(of('Namespace'), stored, draft => Object.assign(draft, { spec: {}, status: {} }))
    expect(updated).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } })
    expect(updateStatus(of('Namespace'), stored, { phase: 'Terminating' }).errors).toEqual([
      'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
    ])
  })
})

describe('tables', () => {
  const old = new Date(testNow - 3 * 86_400_000).toISOString()
  const cases: [string, object, object][] = [
    [
      'Node',
      {
        metadata: { name: 'n', creationTimestamp: old, labels: { 'node-role.kubernetes.io/control-plane': 'true' } },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          nodeInfo: { kubeletVersion: 'v1.36.0' },
          addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
        },
      },
      {
        Status: 'Ready,SchedulingDisabled',
        Roles: 'control-plane',
        Age: '3d',
        Version: 'v1.36.0',
        'Internal-IP': '10.0.0.1',
        'External-IP': '<none>',
        'OS-Image': '<unknown>',
      },
    ],
    ['Node', {}, { Status: 'Unknown', Roles: '<none>', Age: '<unknown>' }],
    [
      'Event',
      {
        involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.x' },
        lastTimestamp: old,
        firstTimestamp: old,
        message: ' hi\n',
        source: { component: 'kubelet', host: 'n' },
      },
      { 'Last Seen': '3d', Object: 'pod/p', Subobject: 'spec.x', Source: 'kubelet, n', Message: 'hi', Count: 1 },
    ],
    [
      'PersistentVolume',
      {
        metadata: { name: 'v', deletionTimestamp: old },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
          claimRef: { namespace: 'a', name: 'b' },
        },
        status: { phase: 'Bound' },
      },
      { Capacity: '1Gi', 'Access Modes': 'RWO,RWX', Status: 'Terminating', Claim: 'a/b', VolumeMode: '<unset>' },
    ],
    [
      'Endpoints',
      { subsets: [{ addresses: ['1', '2', '3', '4'].map(n => ({ ip: `10.0.0.${n}` })), ports: [{ port: 80 }] }] },
      { Endpoints: '10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...' },
    ],
    [
      'ResourceQuota',
      { status: { hard: { pods: '5', 'limits.cpu': '2', cpu: '1' }, used: { pods: '3' } } },
      { Request: 'cpu: 0/1, pods: 3/5', Limit: 'limits.cpu: 0/2' },
    ],
    ['Secret', { type: 'Opaque', data: { a: '', b: '' } }, { Type: 'Opaque', Data: 2 }],
    ['Event', {}, { Type: '', Reason: '', Object: '', Subobject: '', Message: '' }],
    ['LimitRange', { metadata: { name: 'l', creationTimestamp: old } }, { Name: 'l', 'Created At': old }],
  ]
  test.each(cases)('%s %#', (kind, fields, expected) => {
    expect(cells(of(kind), object(kind, fields))).toMatchObject(expected)
  })

  test('event columns stand in upstream’s order, wide ones between', () => {
    expect(of('Event').table?.columns.map(column => [column.name, column.priority])).toEqual([
      ['Last Seen', 0],
      ['Type', 0],
      ['Reason', 0],
      ['Object', 0],
      ['Subobject', 1],
      ['Source', 1],
      ['Message', 0],
      ['First Seen', 1],
      ['Count', 1],
      ['Name', 1],
    ])
  })

  test('an event of the newer group shows the same row', () => {
    const event = objectOf('events.k8s.io/v1', 'Event', {
      regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
      note: 'hi',
      reportingController: 'me',
    })
    const strategy = strategyOf('events.k8s.io', 'Event')
    expect(cells(strategy, event)).toMatchObject({ Object: 'pod/p', Message: 'hi', Source: 'me' })
    expect(strategy.fields?.(event)).toMatchObject({ 'regarding.name': 'p', reportingController: 'me' })
  })
})
