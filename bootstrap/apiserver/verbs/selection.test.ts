import { expect, test } from '@jest/globals'
import { kindsOfCrd } from '../extension/custom-kind.ts'
import { crd } from '../extension/sample.ts'
import { strategyOf } from '../kinds/index.ts'
import type { Kind } from '../kinds/kind.ts'
import { selectionOf } from './selection.ts'

const custom = kindsOfCrd(crd({ selectableFields: [{ jsonPath: '.spec.size' }] }))[0]!
const builtin = (kind: string): Kind => ({ ...custom, kind, custom: false, strategy: strategyOf('', kind) })

test.each([
  [
    'a kind without fields of its own',
    builtin('ConfigMap'),
    'spec.x=1',
    '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ['a kind with fields of its own', builtin('Pod'), 'spec.x=1', 'field label not supported: spec.x'],
  ['a custom kind', custom, 'spec.x=1', 'field label not supported: spec.x'],
  ['bad syntax', custom, 'spec.x', "invalid selector: 'spec.x'; can't understand 'spec.x'"],
])('%s refuses fields it does not know', (_, kind, fieldSelector, message) => {
  expect(() => selectionOf(kind, { labelSelector: '', fieldSelector })).toThrow(message)
})

test.each([
  [builtin('ConfigMap'), 'metadata.name=a,metadata.namespace!=b'],
  [builtin('Pod'), 'spec.nodeName=,status.phase!=Running'],
  [custom, 'metadata.namespace=a,spec.size=1'],
])('%#: fields it knows are taken', (kind, fieldSelector) => {
  expect(selectionOf(kind, { labelSelector: '', fieldSelector }).match).toBeDefined()
})

test('the name of the selector and that of the URL must agree', () => {
  const query = { labelSelector: '', fieldSelector: 'metadata.name=a' }
  expect(selectionOf(builtin('Pod'), query, 'a').name).toBe('a')
  expect(() => selectionOf(builtin('Pod'), query, 'b')).toThrow(
    "fieldSelector metadata.name doesn't match requested name",
  )
})
