import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Mutable, WriteContext } from '../kinds/kind.ts'
import { kindsOfCrd } from './custom-kind.ts'
import { crd } from './sample.ts'

const thing = (spec: object, more: object = {}): KubeObject => ({
  apiVersion: 'example.io/v1',
  kind: 'Thing',
  metadata: { name: 'a', namespace: 'default', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec,
  ...more,
})
const now = Date.UTC(2026, 0, 1, 1)

describe('kinds of a definition', () => {
  test('one per served version, sharing one storage', () => {
    const sample = crd({
      subresources: {
        status: {},
        scale: {
          specReplicasPath: '.spec.replicas',
          statusReplicasPath: '.status.replicas',
          labelSelectorPath: '.status.selector',
        },
      },
    })
    const v1 = sample.spec.versions[0]!
    const versions = [v1, { ...v1, name: 'v2', storage: false }, { ...v1, name: 'v3', storage: false, served: false }]
    const kinds = kindsOfCrd({ ...sample, spec: { ...sample.spec, versions } })
    expect(kinds.map(({ version, storage }) => [version, storage])).toEqual([
      ['v1', { group: 'example.io', resource: 'things', version: 'v1' }],
      ['v2', { group: 'example.io', resource: 'things', version: 'v1' }],
    ])
    expect(kinds[0]).toMatchObject({
      listKind: 'ThingList',
      singular: 'thing',
      shortNames: ['th'],
      namespaced: true,
      custom: true,
      subresources: [
        { name: 'status', kind: 'Thing' },
        { name: 'scale', kind: 'Scale', group: 'autoscaling' },
      ],
    })
    expect(kinds[0]!.strategy.scale).toMatchObject({ specReplicas: 'spec.replicas', statusReplicas: 'status.replicas' })
    expect(kinds[0]!.strategy.scale!.selector(thing({}, { status: { selector: 'a=b' } }))).toBe('a=b')
  })

  test('objects are defaulted and validated, unchanged mistakes forgiven on update', () => {
    const { strategy } = kindsOfCrd(crd())[0]!
    const draft = structuredClone(thing({ size: 2 })) as unknown as Mutable
    strategy.defaults!(draft)
    expect(draft.spec).toEqual({ size: 2, color: 'red' })
    expect(strategy.validate!(draft)).toEqual([])
    const wrong = thing({ size: 0 })
    expect(strategy.validate!(wrong).map(fieldErrorText)).toEqual([
      'spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1',
    ])
    const change = thing({ size: 0, color: 'blue' }) as unknown as Mutable
    strategy.prepareForUpdate!(change, wrong, {} as WriteContext)
    expect([...strategy.validate!(change), ...strategy.validateUpdate!(change, wrong)]).toEqual([])
    expect(strategy.validateUpdate!(thing({ size: -1 }), wrong)).toHaveLength(1)
    expect(strategy.validateStatusUpdate!(thing({ size: 2 }, { status: 'x' }), thing({ size: 2 }))).toHaveLength(1)
  })

  test('what was stored under an earlier schema is pruned and defaulted when read', () => {
    const sample = crd()
    expect(kindsOfCrd(sample)[0]!.convert).toBeUndefined()
    const changed = kindsOfCrd({ ...sample, metadata: { ...sample.metadata, generation: 2 } })[0]!
    expect(changed.convert!.fromStored(thing({ size: 1, gone: true })).spec).toEqual({ size: 1, color: 'red' })
    const current = thing({ size: 1, color: 'blue' })
    expect(changed.convert!.fromStored(current)).toBe(current)
  })

  test('other versions differ by apiVersion only', () => {
    const sample = crd()
    const v1 = sample.spec.versions[0]!
    const versions = [v1, { ...v1, name: 'v2', storage: false }]
    const v2 = kindsOfCrd({ ...sample, spec: { ...sample.spec, versions } })[1]!
    const stored = thing({ size: 1, color: 'red' })
    const shown = v2.convert!.fromStored(stored)
    expect(shown).toEqual({ ...stored, apiVersion: 'example.io/v2' })
    expect(v2.convert!.toStored(shown)).toEqual(stored)
  })

  test('what another version allows is stored as the storage version has it', () => {
    const sample = crd()
    const v1 = sample.spec.versions[0]!
    const free = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
    const v0 = { ...v1, name: 'v0', storage: false, schema: free }
    const [, old] = kindsOfCrd({ ...sample, spec: { ...sample.spec, versions: [v1, v0] } })
    const stored = old!.convert!.toStored({ ...thing({ size: 1, unknown: true }), apiVersion: 'example.io/v0' })
    expect(stored).toEqual(thing({ size: 1, color: 'red' }))
  })

  test('selectable fields', () => {
    const { strategy } = kindsOfCrd(
      crd({ selectableFields: [{ jsonPath: '.spec.color' }, { jsonPath: '.spec.size' }] }),
    )[0]!
    expect(strategy.fieldNames).toEqual(['spec.color', 'spec.size'])
    expect(strategy.fields!(thing({ size: 3 }))).toEqual({ 'spec.color': '', 'spec.size': '3' })
  })

  test('a deprecated version warns', () => {
    expect(kindsOfCrd(crd({ deprecated: true }))[0]!.strategy.warnings!(thing({}), undefined)).toEqual([
      'example.io/v1 Thing is deprecated',
    ])
  })

  test('a definition that is being deleted takes no new objects', () => {
    const sample = crd()
    const going = { ...sample, metadata: { ...sample.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
    const { strategy } = kindsOfCrd(going)[0]!
    const draft = structuredClone(thing({ size: 1 })) as unknown as Mutable
    expect(() => strategy.prepareForCreate!(draft, {} as WriteContext)).toThrow(
      'create not allowed while custom resource definition is terminating',
    )
  })
})

describe('columns', () => {
  const cells = (columns: object[] | undefined, object: KubeObject) =>
    kindsOfCrd(crd(columns ? { additionalPrinterColumns: columns as never } : {}))[0]!.strategy.table!.columns.map(
      column => column.cell(object, now),
    )

  test('name and age by default', () => {
    expect(cells(undefined, thing({}))).toEqual(['a', '60m'])
  })

  test.each([
    ['string', '.spec.size', '3'],
    ['string', '.spec.list[*]', 'a b'],
    ['string', '.spec.list', '["a","b"]'],
    ['string', '.spec.none', null],
    ['integer', '.spec.size', 3],
    ['integer', '.spec.word', null],
    ['number', '.spec.half', 0.5],
    ['boolean', '.spec.on', true],
    ['boolean', '.spec.word', null],
    ['date', '.metadata.creationTimestamp', '60m'],
    ['date', '.spec.word', '<invalid>'],
    ['string', '.status.conditions[?(@.type=="Ready")].status', 'True'],
  ])('%s of %s', (type, jsonPath, cell) => {
    const object = thing(
      { size: 3, half: 0.5, on: true, word: 'x', list: ['a', 'b'] },
      { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    )
    expect(cells([{ name: 'C', type, jsonPath, priority: 1 }], object)).toEqual(['a', cell])
  })
})
