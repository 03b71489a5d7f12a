import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../api/errors.ts'
import type { CustomResourceDefinition } from '../../api/types.gen.ts'
import type { Mutable, WriteContext } from '../kinds/kind.ts'
import { customResourceDefinitionStrategy as strategy } from './crd-strategy.ts'
import { acceptNames, usedNames } from './names.ts'
import { crd } from './sample.ts'

const context = {} as WriteContext

type Change = (spec: Record<string, never>, draft: Mutable) => void

/** The errors of creating the sample definition after a change. */
function errorsOf(change: Change): string[] {
  const draft = structuredClone(crd()) as unknown as Mutable
  change(draft.spec as Record<string, never>, draft)
  strategy.defaults!(draft)
  strategy.prepareForCreate!(draft, context)
  return strategy.validate!(draft).map(fieldErrorText)
}

const version = (changes: object) => (spec: Record<string, never>) => void Object.assign(spec.versions![0], changes)

describe('definitions', () => {
  test('defaults and stored versions', () => {
    const draft = structuredClone(crd()) as unknown as Mutable
    strategy.defaults!(draft)
    strategy.prepareForCreate!(draft, context)
    expect(draft).toMatchObject({
      spec: { names: { singular: 'thing', listKind: 'ThingList' }, conversion: { strategy: 'None' } },
      status: { storedVersions: ['v1'] },
    })
    expect(strategy.validate!(draft)).toEqual([])
  })

  test('a new storage version is recorded', () => {
    const old = structuredClone(crd()) as unknown as Mutable
    strategy.prepareForCreate!(old, context)
    const draft = structuredClone(old)
    const { spec } = draft as unknown as CustomResourceDefinition
    const versions = spec.versions as unknown as { name: string; storage: boolean }[]
    versions.push({ ...versions[0]!, name: 'v2' })
    versions[0]!.storage = false
    strategy.prepareForUpdate!(draft, old, context)
    expect(draft.status).toEqual({ storedVersions: ['v1', 'v2'] })
  })

  test.each<[Change, string]>([
    [
      (_, draft) => void (draft.metadata.name = 'x'),
      'metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group',
    ],
    [
      spec => void Object.assign(spec, { scope: 'World' }),
      'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"',
    ],
    [
      version({ storage: false }),
      'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ],
    [version({ schema: undefined }), 'spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required'],
    [
      version({ schema: { openAPIV3Schema: {} } }),
      'spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root',
    ],
    [
      version({ additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.a' }] }),
      'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string',
    ],
    [
      version({ subresources: { scale: { specReplicasPath: '.status.x', statusReplicasPath: '.status.x' } } }),
      'spec.subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec',
    ],
    [
      version({ selectableFields: [{ jsonPath: '.metadata.labels' }] }),
      'spec.selectableFields[0].jsonPath: Invalid value: ".metadata.labels": is an invalid path: does not refer to a valid field',
    ],
    [
      version({ selectableFields: [{ jsonPath: '.spec.nothing' }] }),
      'spec.selectableFields[0].jsonPath: Invalid value: ".spec.nothing": is an invalid path: does not refer to a valid field',
    ],
    [
      spec => void Object.assign(spec, { preserveUnknownFields: true }),
      'spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    ],
    [
      (spec, draft) => {
        Object.assign(spec, { group: 'x.k8s.io' })
        draft.metadata.name = 'things.x.k8s.io'
      },
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  ])('is refused: %#', (change, message) => {
    expect(errorsOf(change)).toEqual([message])
  })

  test('an established definition keeps its scope and kind', () => {
    const old = crd()
    const established = { ...old, status: { conditions: [{ type: 'Established', status: 'True' }] } }
    const changed = { ...established, spec: { ...old.spec, scope: 'Cluster' } }
    expect(strategy.validateUpdate!(changed as never, established as never).map(fieldErrorText)).toEqual([
      'spec.scope: Invalid value: "Cluster": field is immutable',
    ])
    expect(strategy.validateUpdate!(changed as never, old as never)).toEqual([])
  })
})

describe('names', () => {
  const used = usedNames([
    { plural: 'widgets', singular: 'widget', shortNames: ['w'], kind: 'Widget', listKind: 'WidgetList' },
  ])

  test('free names are accepted', () => {
    expect(acceptNames(crd(), used)).toEqual({
      names: { plural: 'things', kind: 'Thing', shortNames: ['th'] },
      condition: { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
    })
  })

  test.each([
    [{ plural: 'widget' }, 'PluralConflict', 'widget'],
    [{ singular: 'w' }, 'SingularConflict', 'w'],
    [{ shortNames: ['x', 'widgets'] }, 'ShortNamesConflict', 'widgets'],
    [{ kind: 'WidgetList' }, 'KindConflict', 'WidgetList'],
    [{ listKind: 'Widget' }, 'ListKindConflict', 'Widget'],
  ])('%j conflicts', (names, reason, name) => {
    const asked = crd()
    const result = acceptNames({ ...asked, spec: { ...asked.spec, names: { ...asked.spec.names, ...names } } }, used)
    expect(result.condition).toEqual({
      type: 'NamesAccepted',
      status: 'False',
      reason,
      message: `"${name}" is already in use`,
    })
  })

  test('what was accepted before is kept', () => {
    const had = { ...crd(), status: { acceptedNames: { plural: 'things', kind: 'Thing', shortNames: ['th'] } } }
    const others = usedNames([{ plural: 'other', kind: 'Other', shortNames: ['th'] }])
    expect(acceptNames(had, others).condition.status).toBe('True')
  })
})
