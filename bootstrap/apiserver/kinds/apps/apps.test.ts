import { describe, expect, test } from '@jest/globals'
import { cells, create, objectOf, update } from '../harness.ts'
import { strategyOf } from '../index.ts'

const of = (kind: string) => strategyOf('apps', kind)
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i:1' }] } }
const spec = { selector: { matchLabels: { a: 'b' } }, template }
const object = (kind: string, given: object = {}, rest: object = {}) =>
  objectOf('apps/v1', kind, { spec: { ...spec, ...given }, ...rest })

describe('defaults', () => {
  const cases: [string, object][] = [
    [
      'Deployment',
      {
        spec: {
          replicas: 1,
          revisionHistoryLimit: 10,
          progressDeadlineSeconds: 600,
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
          template: { spec: { restartPolicy: 'Always', containers: [{ imagePullPolicy: 'IfNotPresent' }] } },
        },
        status: {},
      },
    ],
    ['ReplicaSet', { spec: { replicas: 1 }, status: { replicas: 0 } }],
    [
      'DaemonSet',
      {
        metadata: { annotations: { 'deprecated.daemonset.template.generation': '1' } },
        spec: { revisionHistoryLimit: 10, updateStrategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } },
        status: { desiredNumberScheduled: 0 },
      },
    ],
    [
      'StatefulSet',
      {
        spec: {
          replicas: 1,
          podManagementPolicy: 'OrderedReady',
          updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
          persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        },
      },
    ],
  ]
  test.each(cases)('%s', (kind, expected) => {
    const { object: stored, errors } = create(of(kind), object(kind))
    expect(errors).toEqual([])
    expect(stored).toMatchObject(expected)
  })
})

describe('validation', () => {
  const mismatch = { matchLabels: { a: 'c' } }
  const cases: [string, object, string[]][] = [
    [
      'Deployment',
      { selector: mismatch },
      ['spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'],
    ],
    ['Deployment', { selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
    ['Deployment', { selector: undefined }, ['spec.selector: Required value']],
    ['Deployment', { replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
    [
      'Deployment',
      { strategy: { type: 'Recreate', rollingUpdate: {} } },
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
    ],
    [
      'Deployment',
      { template: { ...template, spec: { ...template.spec, restartPolicy: 'Never' } } },
      ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } },
      ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
    ],
    [
      'StatefulSet',
      { podManagementPolicy: 'Chaos' },
      ["spec.podManagementPolicy: Invalid value: \"Chaos\": must be 'OrderedReady' or 'Parallel'"],
    ],
  ]
  test.each(cases)('%s %j', (kind, given, errors) => {
    expect(create(of(kind), object(kind, given)).errors).toEqual(errors)
  })

  test('containers of a StatefulSet mount its claim templates', () => {
    const containers = [{ name: 'c', image: 'i', volumeMounts: [{ name: 'data', mountPath: '/d' }] }]
    const volumeClaimTemplates = [{ metadata: { name: 'data' }, spec: {} }]
    const given = { template: { ...template, spec: { containers } }, volumeClaimTemplates }
    const { object: stored, errors } = create(of('StatefulSet'), object('StatefulSet', given))
    expect(errors).toEqual([])
    expect(stored).toMatchObject({
      spec: { volumeClaimTemplates: [{ kind: 'PersistentVolumeClaim', status: { phase: 'Pending' } }] },
    })
  })
})

describe('updates', () => {
  const labels = { a: 'c' }
  test.each(['Deployment', 'ReplicaSet', 'DaemonSet'])('the selector of a %s stays', kind => {
    const stored = create(of(kind), object(kind)).object
    const other = { selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } }
    const { errors } = update(of(kind), stored, draft => Object.assign(draft.spec as object, other))
    expect(errors).toEqual(['spec.selector: Invalid value: {"matchLabels":{"a":"c"}}: field is immutable'])
  })

  test('a StatefulSet changes in few fields', () => {
    const stored = create(of('StatefulSet'), object('StatefulSet')).object
    const change = (given: object) =>
      update(of('StatefulSet'), stored, draft => Object.assign(draft.spec as object, given)).errors
    expect(change({ replicas: 3, minReadySeconds: 2 })).toEqual([])
    expect(change({ serviceName: 'other' })).toEqual([
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ])
  })

  test('annotations of a Deployment count as a change, labels do not', () => {
    const stored = create(of('Deployment'), object('Deployment')).object
    const annotated = { ...stored, metadata: { ...stored.metadata, annotations: { a: 'b' } } }
    const labelled = { ...stored, metadata: { ...stored.metadata, labels: { a: 'b' } } }
    expect(of('Deployment').bumpsGeneration?.(annotated, stored)).toBe(true)
    expect(of('Deployment').bumpsGeneration?.(labelled, stored)).toBe(false)
  })

  test('a new template of a DaemonSet is counted', () => {
    const stored = create(of('DaemonSet'), object('DaemonSet')).object
    const { object: updated } = update(of('DaemonSet'), stored, draft => {
      Object.assign(draft.spec as object, { template: { ...template, metadata: { labels: { a: 'b', c: 'd' } } } })
    })
    expect(updated.metadata.annotations?.['deprecated.daemonset.template.generation']).toBe('2')
  })

  test('a revision keeps its data', () => {
    const revision = objectOf('apps/v1', 'ControllerRevision', { data: { a: 1 }, revision: 1 })
    const { errors } = update(of('ControllerRevision'), revision, draft => Object.assign(draft, { data: { a: 2 } }))
    expect(errors).toEqual(['data: Invalid value: {"a":2}: field is immutable'])
  })
})

test.each([
  [
    'Deployment',
    { replicas: 3 },
    { readyReplicas: 1, updatedReplicas: 2 },
    { Ready: '1/3', 'Up-to-date': 2, Available: 0, Containers: 'c', Images: 'i:1', Selector: 'a=b' },
  ],
  ['ReplicaSet', { replicas: 3 }, { replicas: 2 }, { Desired: 3, Current: 2, Ready: 0 }],
  ['StatefulSet', { replicas: 2 }, {}, { Ready: '0/2' }],
  ['DaemonSet', {}, { desiredNumberScheduled: 2, numberReady: 1 }, { Desired: 2, Ready: 1, 'Node Selector': '<none>' }],
])('row of a %s', (kind, given, status, expected) => {
  expect(cells(of(kind), object(kind, given, { status }))).toMatchObject(expected)
})

test('the scale selector is text', () => {
  expect(of('Deployment').scale?.selector(object('Deployment'))).toBe('a=b')
})
