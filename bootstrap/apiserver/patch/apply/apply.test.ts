import { describe, expect, test } from '@jest/globals'
import { StatusError } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import { schemaOf } from '../../schema/models.ts'
import { applyPatch } from './apply.ts'
import { trackUpdate } from './track.ts'

const schema = schemaOf('io.k8s.api.apps.v1.Deployment')
const apiVersion = 'apps/v1'
const time = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`

interface Container {
  name: string
  image?: string
  args?: string[]
  ports?: object[]
  env?: object[]
}

const config = (spec: object, metadata: object = {}) => ({
  apiVersion,
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default', ...metadata },
  spec,
})
const withContainers = (...containers: Container[]) => config({ template: { spec: { containers } } })

function apply(live: KubeObject | undefined, applied: object, manager: string, second: number, force = false) {
  const request = { live, schema, manager, force, subresource: '', apiVersion, now: time(second) }
  return applyPatch({ ...request, applied: applied as never, resetFields: [['status']] })
}

function update(live: KubeObject | undefined, updated: object, manager: string, second: number, subresource = '') {
  const request = { live, schema, manager, subresource, apiVersion, now: time(second) }
  return trackUpdate({
    ...request,
    updated: updated as KubeObject,
    resetFields: subresource ? [['spec']] : [['status']],
  })
}

const owners = (object: KubeObject) =>
  object.metadata.managedFields?.map(
    ({ manager, operation, time: at }) => `${manager} ${operation} ${at?.slice(-3, -1)}`,
  )
const fieldsOf = (object: KubeObject, manager: string) =>
  object.metadata.managedFields?.find(entry => entry.manager === manager)?.fieldsV1
const specOf = (object: KubeObject) => object.spec as { [field: string]: unknown }
const containersOf = (object: KubeObject) =>
  (object.spec as { template: { spec: { containers: Container[] } } }).template.spec.containers

function failureOf(act: () => unknown): StatusError {
  try {
    act()
  } catch (error) {
    if (error instanceof StatusError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('server-side apply', () => {
  test('creates, owning what is set', () => {
    const applied = withContainers({ name: 'c', image: 'i', ports: [{ containerPort: 80 }] })
    const created = apply(undefined, applied, 'me', 1)
    expect(created).toMatchObject(applied)
    expect(created.metadata.managedFields).toEqual([
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion,
        time: time(1),
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:spec': {
            'f:template': {
              'f:spec': {
                'f:containers': {
                  'k:{"name":"c"}': {
                    '.': {},
                    'f:image': {},
                    'f:name': {},
                    'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                  },
                },
              },
            },
          },
        },
      },
    ])
  })

  test('the same configuration again changes nothing', () => {
    const applied = withContainers({ name: 'c', image: 'i' })
    const created = apply(undefined, applied, 'me', 1)
    expect(apply(created, applied, 'me', 2)).toEqual(created)
  })

  test('a defaulted protocol names the same port', () => {
    const created = apply(undefined, withContainers({ name: 'c', ports: [{ containerPort: 80 }] }), 'me', 1)
    const defaulted = structuredClone(created)
    Object.assign(containersOf(defaulted)[0]!.ports![0]!, { protocol: 'TCP' })
    const next = withContainers({ name: 'c', ports: [{ containerPort: 80, name: 'http' }] })
    expect(containersOf(apply(defaulted, next, 'me', 2))[0]!.ports).toEqual([
      { containerPort: 80, protocol: 'TCP', name: 'http' },
    ])
  })

  test('a dropped field goes, with its defaults, unless someone else has it', () => {
    const created = apply(undefined, config({ replicas: 2, paused: true, strategy: { type: 'Recreate' } }), 'me', 1)
    const shared = apply(created, config({ replicas: 2 }), 'other', 2)
    const dropped = apply(shared, config({}), 'me', 3)
    expect(specOf(dropped)).toEqual({ replicas: 2 })
    expect(owners(dropped)).toEqual(['other Apply 02', 'me Apply 03'])
    expect(apply(dropped, config({}), 'other', 4).spec).toBeUndefined()
  })

  test('a dropped item goes, items of others stay in place', () => {
    const a = { name: 'a', image: '1' }
    const b = { name: 'b', image: '2' }
    const c = { name: 'c', image: '3' }
    const mine = apply(undefined, withContainers(a, c), 'me', 1)
    const both = apply(mine, withContainers(b), 'other', 2)
    expect(containersOf(both).map(({ name }) => name)).toEqual(['a', 'c', 'b'])
    const reordered = apply(both, withContainers(c, a), 'me', 3)
    expect(containersOf(reordered).map(({ name }) => name)).toEqual(['c', 'b', 'a'])
    const dropped = apply(reordered, withContainers(c), 'me', 4)
    expect(containersOf(dropped)).toEqual([c, b])
  })

  test('a dropped item goes although an updater changed it', () => {
    const created = apply(undefined, withContainers({ name: 'a', image: '1' }, { name: 'b' }), 'me', 1)
    const patched = update(
      created,
      { ...structuredClone(created), ...withContainers({ name: 'a', image: '2' }, { name: 'b' }) },
      'u',
      2,
    )
    expect(containersOf(apply(patched, withContainers({ name: 'b' }), 'me', 3))).toEqual([{ name: 'b' }])
  })

  test('atomic lists are replaced, maps are merged', () => {
    const created = apply(
      undefined,
      { ...withContainers({ name: 'c', args: ['a', 'b'] }), metadata: { name: 'web', labels: { x: '1' } } },
      'me',
      1,
    )
    const next = apply(created, config({}, { labels: { y: '2' } }), 'other', 2)
    expect(next.metadata.labels).toEqual({ x: '1', y: '2' })
    expect(containersOf(apply(next, withContainers({ name: 'c', args: ['z'] }), 'me', 3))[0]).toEqual({
      name: 'c',
      args: ['z'],
    })
  })

  test('one conflict', () => {
    const created = apply(undefined, config({ replicas: 1 }), 'me', 1)
    const { status } = failureOf(() => apply(created, config({ replicas: 2 }), 'other', 2))
    expect(status).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "me": .spec.replicas',
      details: { causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "me"', field: '.spec.replicas' }] },
    })
    expect(Object.keys(status.details!)).toEqual(['causes'])
  })

  test('several conflicts with several managers', () => {
    const created = update(undefined, withContainers({ name: 'c', image: 'i', args: ['x'] }), 'kubectl-create', 1)
    const scaled = apply(created, config({ replicas: 1 }), 'me', 2)
    const act = () =>
      apply(scaled, config({ replicas: 2, ...withContainers({ name: 'c', image: 'j', args: ['y'] }).spec }), 'other', 3)
    expect(failureOf(act).message).toBe(
      [
        'Apply failed with 3 conflicts: conflicts with "kubectl-create" using apps/v1:',
        '- .spec.template.spec.containers[name="c"].args',
        '- .spec.template.spec.containers[name="c"].image',
        'conflicts with "me":',
        '- .spec.replicas',
      ].join('\n'),
    )
  })

  test('force takes the field over', () => {
    const created = apply(undefined, config({ replicas: 1, paused: true }), 'me', 1)
    const forced = apply(created, config({ replicas: 2 }), 'other', 2, true)
    expect(specOf(forced).replicas).toBe(2)
    expect(fieldsOf(forced, 'me')).toEqual({ 'f:spec': { 'f:paused': {} } })
    expect(fieldsOf(forced, 'other')).toEqual({ 'f:spec': { 'f:replicas': {} } })
  })

  test('equal values are shared, and a shared field conflicts for both', () => {
    const created = apply(undefined, config({ replicas: 1 }), 'me', 1)
    const shared = apply(created, config({ replicas: 1 }), 'other', 2)
    expect(fieldsOf(shared, 'me')).toEqual(fieldsOf(shared, 'other'))
    expect(failureOf(() => apply(shared, config({ replicas: 2 }), 'me', 3)).message).toContain('conflict with "other"')
  })

  test('an update takes a field from its applier, who then conflicts', () => {
    const created = apply(undefined, config({ replicas: 1 }), 'me', 1)
    const scaled = update(created, { ...created, spec: { replicas: 5 } }, 'hpa', 2)
    expect(owners(scaled)).toEqual(['hpa Update 02'])
    expect(failureOf(() => apply(scaled, config({ replicas: 1 }), 'me', 3)).message).toBe(
      'Apply failed with 1 conflict: conflict with "hpa" using apps/v1: .spec.replicas',
    )
    expect(specOf(apply(scaled, config({}), 'me', 3)).replicas).toBe(5)
  })

  test('an object without managers belongs to before-first-apply', () => {
    const live = { ...config({ replicas: 1, paused: true }), metadata: { name: 'web', namespace: 'default', uid: 'u' } }
    const applied = apply(live, config({ replicas: 1 }), 'me', 1)
    expect(owners(applied)).toEqual(['me Apply 01', 'before-first-apply Update 01'])
    expect(failureOf(() => apply(live, config({ replicas: 2 }), 'me', 1)).message).toContain(
      '"before-first-apply" using apps/v1',
    )
  })

  test('status is not owned through the main resource, and names the subresource in conflicts', () => {
    const created = apply(undefined, { ...config({ replicas: 1 }), status: { replicas: 1 } }, 'me', 1)
    expect(fieldsOf(created, 'me')).toEqual({ 'f:spec': { 'f:replicas': {} } })
    const stored = update(created, { ...created, status: { replicas: 3 } }, 'controller', 2, 'status')
    const applied = { ...config({}), status: { replicas: 4 } }
    const request = { live: stored, schema, manager: 'me', force: false, apiVersion, now: time(3), applied }
    expect(failureOf(() => applyPatch({ ...request, subresource: 'status', resetFields: [['spec']] })).message).toBe(
      'Apply failed with 1 conflict: conflict with "controller" with subresource "status" using apps/v1: .status.replicas',
    )
  })

  test('kubectl takes over what its client-side apply set, and keeps the annotation', () => {
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const last = JSON.stringify(config({ replicas: 1, paused: true }))
    const live = update(
      undefined,
      config({ replicas: 1, paused: true }, { annotations: { [annotation]: last } }),
      'kubectl-client-side-apply',
      1,
    )
    expect(failureOf(() => apply(live, config({ replicas: 2 }), 'me', 2)).code).toBe(409)
    const applied = apply(live, config({ replicas: 2 }), 'kubectl', 2)
    expect(specOf(applied)).toEqual({ replicas: 2, paused: true })
    expect(JSON.parse(applied.metadata.annotations![annotation]!)).toMatchObject({ spec: { replicas: 2 } })
    const scaled = update(applied, { ...applied, spec: { replicas: 9 } }, 'hpa', 3)
    expect(failureOf(() => apply(scaled, config({ replicas: 2 }), 'kubectl', 4)).message).toContain('"hpa"')
  })

  test.each<[string, object, number, string]>([
    ['no kind', { apiVersion, metadata: {} }, 400, 'invalid object type'],
    ['managedFields', config({}, { managedFields: [{}] }), 400, 'metadata.managedFields must be nil'],
    [
      'an unknown field',
      config({ nothing: 1 }),
      500,
      'failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.nothing: field not declared in schema',
    ],
    [
      'an item twice',
      withContainers({ name: 'c' }, { name: 'c' }),
      500,
      '.spec.template.spec.containers: duplicate entries for key [name="c"]',
    ],
    [
      'an item without its key',
      withContainers({ image: 'c' } as never),
      500,
      '.spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name"',
    ],
    ['a wrong form', config({ template: 'x' }), 500, '.spec.template: expected map, got "x"'],
  ])('%s is refused', (_, applied, code, message) => {
    expect(failureOf(() => apply(undefined, applied, 'me', 1))).toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })

  test('nulls set nothing', () => {
    const applied = config({ replicas: null, template: { metadata: { creationTimestamp: null, labels: { a: 'b' } } } })
    const created = apply(undefined, applied, 'me', 1)
    expect(specOf(created)).toEqual({ template: { metadata: { labels: { a: 'b' } } } })
  })
})
