import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../../api/object.ts'
import { schemaOf } from '../../schema/models.ts'
import type { Schema } from '../../schema/schema.ts'
import { trackUpdate } from './track.ts'

const podSchema = schemaOf('io.k8s.api.core.v1.Pod')
const time = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'default', uid: 'u', labels: { app: 'a' }, creationTimestamp: time(0) },
  spec: {
    restartPolicy: 'Always',
    containers: [
      {
        name: 'c',
        image: 'i',
        args: ['x'],
        env: [{ name: 'E', value: '1' }],
        ports: [{ containerPort: 80 }],
        resources: {},
      },
    ],
  },
  status: { phase: 'Pending' },
}

function write(live: KubeObject | undefined, updated: object, manager: string, second: number, subresource = '') {
  const request = { live, manager, subresource, apiVersion: 'v1', now: time(second), schema: podSchema }
  return trackUpdate({
    ...request,
    updated: updated as KubeObject,
    resetFields: subresource ? [['spec']] : [['status']],
  })
}

const owners = (object: KubeObject) =>
  object.metadata.managedFields?.map(({ manager, operation, subresource = '', time: at }) =>
    [manager, operation, subresource, Number(at?.slice(-3, -1))].join(' '),
  )
const fieldsOf = (object: KubeObject, manager: string) =>
  object.metadata.managedFields?.find(entry => entry.manager === manager)?.fieldsV1

/** The next state of an object, from JSON as a client sends it. */
function changed(object: KubeObject, change: (draft: typeof pod & { metadata: { managedFields?: unknown } }) => void) {
  const draft = structuredClone(object) as never
  change(draft)
  return draft as KubeObject
}

describe('managedFields of updates', () => {
  const created = write(undefined, pod, 'kubectl-create', 1)

  test('the creator owns what it set, by the form upstream stores', () => {
    expect(created.metadata.managedFields).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'v1',
        time: time(1),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:restartPolicy': {},
            'f:containers': {
              'k:{"name":"c"}': {
                '.': {},
                'f:args': {},
                'f:env': { '.': {}, 'k:{"name":"E"}': { '.': {}, 'f:name': {}, 'f:value': {} } },
                'f:image': {},
                'f:name': {},
                'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                'f:resources': {},
              },
            },
          },
        },
      },
    ])
  })

  test('a status writer gains the status, and only that', () => {
    const running = changed(created, draft => {
      draft.status = { phase: 'Running' }
      draft.spec.restartPolicy = 'Never'
    })
    const stored = write(created, running, 'kubelet', 2, 'status')
    expect(fieldsOf(stored, 'kubelet')).toEqual({ 'f:status': { 'f:phase': {} } })
    expect(fieldsOf(stored, 'kubectl-create')).toEqual(fieldsOf(created, 'kubectl-create'))
    expect(owners(stored)).toEqual(['kubectl-create Update  1', 'kubelet Update status 2'])
  })

  test('a changed value moves to who changed it', () => {
    const other = changed(created, draft => {
      draft.spec.containers[0]!.image = 'j'
    })
    const stored = write(created, other, 'other', 2)
    expect(fieldsOf(stored, 'other')).toEqual({
      'f:spec': { 'f:containers': { 'k:{"name":"c"}': { 'f:image': {} } } },
    })
    expect(JSON.stringify(fieldsOf(stored, 'kubectl-create'))).not.toContain('f:image')
  })

  test('a removed value has no owner', () => {
    const less = changed(created, draft => {
      draft.spec.containers[0]!.env = []
      draft.metadata.labels = {} as never
    })
    const stored = write(created, less, 'other', 2)
    expect(JSON.stringify(fieldsOf(stored, 'kubectl-create'))).not.toMatch(/f:value|f:app/)
  })

  test('nothing changes when nothing is written, not even a time', () => {
    const same = changed(created, draft => {
      Object.assign(draft.metadata, { generation: 2, resourceVersion: '9', managedFields: undefined })
    })
    expect(write(created, same, 'kubectl-create', 9).metadata.managedFields).toEqual(created.metadata.managedFields)
    expect(write(created, same, 'other', 9).metadata.managedFields).toEqual(created.metadata.managedFields)
  })

  test('a repeated writer keeps one entry with its latest time', () => {
    const once = changed(created, draft => {
      draft.spec.restartPolicy = 'Never'
    })
    const stored = write(created, once, 'kubectl-create', 5)
    expect(owners(stored)).toEqual(['kubectl-create Update  5'])
    expect(fieldsOf(stored, 'kubectl-create')).toEqual(fieldsOf(created, 'kubectl-create'))
  })

  test.each([[[]], [[{}]]])('%j forgets all managers for good', entries => {
    const cleared = changed(created, draft => {
      draft.metadata.managedFields = entries
    })
    const forgotten = write(created, cleared, 'other', 2)
    expect(forgotten.metadata).not.toHaveProperty('managedFields')
    const next = changed(forgotten, draft => {
      draft.spec.restartPolicy = 'Never'
    })
    expect(write(forgotten, next, 'other', 3).metadata.managedFields).toBeUndefined()
  })

  test('malformed entries from a client are not taken over', () => {
    const bad = changed(created, draft => {
      draft.metadata.managedFields = [
        { manager: 'x', operation: 'Update', fieldsType: 'FieldsV1', fieldsV1: { a: {} } },
      ]
    })
    expect(write(created, bad, 'other', 2).metadata.managedFields).toEqual(created.metadata.managedFields)
  })

  test('more than ten updaters fold into ancient-changes', () => {
    let live = created
    for (let index = 2; index <= 13; index++) {
      const next = changed(live, draft => {
        Object.assign(draft.metadata.labels, { [`l${index}`]: 'x' })
      })
      live = write(live, next, `m${index}`, index)
    }
    expect(owners(live)).toHaveLength(10)
    expect(owners(live)?.[0]).toBe('ancient-changes Update  4')
    const ancient = fieldsOf(live, 'ancient-changes') as { 'f:metadata': { 'f:labels': object } }
    expect(Object.keys(ancient['f:metadata']['f:labels'])).toEqual(['.', 'f:app', 'f:l2', 'f:l3', 'f:l4'])
  })

  test('a list that cannot be keyed is stored untracked', () => {
    const odd = changed(created, draft => {
      draft.spec.containers.push({ image: 'x' } as never)
    })
    expect(write(created, odd, 'other', 2).metadata.managedFields).toEqual(created.metadata.managedFields)
  })

  test('sets, free-form and atomic values of a custom resource', () => {
    const text: Schema = { type: 'string' }
    const schema: Schema = {
      type: 'object',
      properties: {
        metadata: podSchema.properties!.metadata!,
        spec: {
          type: 'object',
          properties: {
            tags: { type: 'array', listType: 'set', items: text },
            free: { type: 'any', preserveUnknownFields: true },
            raw: { type: 'any' },
            one: { type: 'object', mapType: 'atomic', properties: { a: text } },
          },
        },
      },
    }
    const object = {
      apiVersion: 'e.io/v1',
      kind: 'Thing',
      metadata: { name: 'a' },
      spec: { tags: ['b', 'a'], free: { x: { y: [1] } }, raw: { x: 1 }, one: { a: '1' } },
    }
    const request = { manager: 'm', subresource: '', apiVersion: 'e.io/v1', now: time(1), schema }
    const stored = trackUpdate({ ...request, live: undefined, updated: object })
    expect(fieldsOf(stored, 'm')).toEqual({
      'f:spec': {
        '.': {},
        'f:free': { '.': {}, 'f:x': { '.': {}, 'f:y': {} } },
        'f:one': {},
        'f:raw': {},
        'f:tags': { '.': {}, 'v:"a"': {}, 'v:"b"': {} },
      },
    })
    const next = { ...stored, spec: { ...object.spec, tags: ['a', 'c'] } }
    const again = trackUpdate({ ...request, manager: 'n', live: stored, updated: next })
    expect(fieldsOf(again, 'n')).toEqual({ 'f:spec': { 'f:tags': { 'v:"c"': {} } } })
    expect(JSON.stringify(fieldsOf(again, 'm'))).not.toContain('"b')
  })
})
