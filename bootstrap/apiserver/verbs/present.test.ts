import { expect, test } from '@jest/globals'
import type { KubeObject } from '../../api/object.ts'
import { kindsOfCrd } from '../extension/custom-kind.ts'
import { crd } from '../extension/sample.ts'
import type { Stored } from '../store/store.ts'
import { present } from './present.ts'

function storedThing(spec: object): Stored {
  const object = { apiVersion: 'example.io/v1', kind: 'Thing', metadata: { name: 'a', namespace: 'n' }, spec }
  return {
    key: '/registry/example.io/things/n/a',
    bytes: Buffer.from(JSON.stringify(object)),
    revision: 1,
    namespace: 'n',
    name: 'a',
    labels: {},
    object: object as KubeObject,
  }
}

/** The kind after its definition changed, with another default for the color. */
function changedKind(color: string) {
  const props = { type: 'object', properties: { size: { type: 'integer' }, color: { type: 'string', default: color } } }
  const definition = crd({ schema: { openAPIV3Schema: { type: 'object', properties: { spec: props } } } })
  return kindsOfCrd({ ...definition, metadata: { ...definition.metadata, generation: 2 } })[0]!
}

test('a new schema is seen by objects read before', () => {
  const stored = storedThing({ size: 1 })
  expect(present(changedKind('red'), stored).object.spec).toEqual({ size: 1, color: 'red' })
  expect(present(changedKind('blue'), stored).object.spec).toEqual({ size: 1, color: 'blue' })
})

test('what is as it should be stays the stored bytes', () => {
  const stored = storedThing({ size: 1, color: 'green' })
  expect(present(changedKind('red'), stored)).toBe(stored)
})

test('a conversion is remembered', () => {
  const stored = storedThing({ size: 1 })
  const kind = changedKind('red')
  expect(present(kind, stored)).toBe(present(kind, stored))
})
