import { expect, test } from '@jest/globals'
import { schemaOf } from '../schema/models.ts'
import type { Schema } from '../schema/schema.ts'
import { strategicMergePatch } from './strategic.ts'

const text: Schema = { type: 'string' }
const strings: Schema = { type: 'map', additional: text }
const schema: Schema = {
  type: 'object',
  properties: {
    name: text,
    labels: strings,
    strategy: {
      type: 'object',
      patchStrategy: ['retainKeys'],
      properties: { type: text, rollingUpdate: { type: 'object', properties: { maxSurge: text } } },
    },
    finalizers: { type: 'array', items: text, patchStrategy: ['merge'] },
    args: { type: 'array', items: text },
    selector: { type: 'object', patchStrategy: ['replace'], properties: { a: text } },
    containers: {
      type: 'array',
      patchStrategy: ['merge'],
      patchMergeKey: 'name',
      items: {
        type: 'object',
        properties: {
          name: text,
          image: text,
          env: {
            type: 'array',
            patchStrategy: ['merge'],
            patchMergeKey: 'name',
            items: { type: 'object', properties: { name: text, value: text } },
          },
        },
      },
    },
  },
}
const a = { name: 'a', image: '1' }
const b = { name: 'b', image: '2' }
const c = { name: 'c', image: '3' }

test.each<[string, object, object, object]>([
  ['merges maps', { labels: { x: '1', y: '2' } }, { labels: { y: null, z: '3' } }, { labels: { x: '1', z: '3' } }],
  ['drops unmatched nulls', {}, { labels: { x: null, y: '1' } }, { labels: { y: '1' } }],
  ['replaces a map', { labels: { x: '1' } }, { labels: { $patch: 'replace', y: '2' } }, { labels: { y: '2' } }],
  ['empties a map', { labels: { x: '1' } }, { labels: { $patch: 'delete' } }, { labels: {} }],
  [
    'merges a map when told',
    { labels: { x: '1' } },
    { labels: { $patch: 'merge', y: '2' } },
    { labels: { x: '1', y: '2' } },
  ],
  ['replaces by strategy', { selector: { a: '1' } }, { selector: {} }, { selector: {} }],
  ['replaces atomic lists', { args: ['1', '2'] }, { args: ['3'] }, { args: ['3'] }],
  [
    'merges by key',
    { containers: [a, b] },
    { containers: [{ name: 'b', image: '9' }] },
    { containers: [a, { name: 'b', image: '9' }] },
  ],
  ['puts new elements first', { containers: [a, b] }, { containers: [c] }, { containers: [c, a, b] }],
  [
    'orders elements',
    { containers: [a, b] },
    {
      '$setElementOrder/containers': [{ name: 'a' }, { name: 'c' }, { name: 'b' }],
      containers: [c],
    },
    { containers: [a, c, b] },
  ],
  [
    'orders without a change',
    { containers: [a, b] },
    { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
    { containers: [b, a] },
  ],
  [
    'keeps elements of others in place',
    { containers: [a, b, c] },
    { '$setElementOrder/containers': [{ name: 'c' }], containers: [{ name: 'c', image: '9' }] },
    { containers: [a, b, { name: 'c', image: '9' }] },
  ],
  ['deletes by key', { containers: [a, b] }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [b] }],
  ['deletes nothing that is absent', {}, { containers: [{ name: 'a', $patch: 'delete' }, c] }, { containers: [c] }],
  ['replaces a list', { containers: [a, b] }, { containers: [{ $patch: 'replace' }, c] }, { containers: [c] }],
  ['unites sets', { finalizers: ['x', 'y'] }, { finalizers: ['y', 'z'] }, { finalizers: ['x', 'y', 'z'] }],
  [
    'deletes from sets',
    { finalizers: ['x', 'y'] },
    { '$deleteFromPrimitiveList/finalizers': ['x'] },
    { finalizers: ['y'] },
  ],
  [
    'deletes from and orders sets',
    { finalizers: ['x', 'y'] },
    { '$deleteFromPrimitiveList/finalizers': ['x'], '$setElementOrder/finalizers': ['z', 'y'], finalizers: ['z'] },
    { finalizers: ['z', 'y'] },
  ],
  [
    'retains keys',
    { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '1' } } },
    { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    { strategy: { type: 'Recreate' } },
  ],
  [
    'leaves no directive behind',
    {},
    { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    { strategy: { type: 'Recreate' } },
  ],
  [
    'merges nested lists',
    { containers: [{ ...a, env: [{ name: 'X', value: '1' }] }] },
    {
      containers: [
        {
          name: 'a',
          env: [
            { name: 'X', $patch: 'delete' },
            { name: 'Y', value: '2' },
          ],
        },
      ],
    },
    { containers: [{ ...a, env: [{ name: 'Y', value: '2' }] }] },
  ],
  ['replaces on a change of type', { labels: 'x' }, { labels: { a: '1' } }, { labels: { a: '1' } }],
  ['deletes a field', { name: 'x', args: [] }, { name: null }, { args: [] }],
])('%s', (_, document, patch, expected) => {
  const before = structuredClone(document)
  expect(strategicMergePatch(document as never, patch, schema)).toEqual(expected)
  expect(document).toEqual(before)
})

test('what kubectl sends for a Pod: a new volume source, a dropped container, an added one', () => {
  const pod = {
    spec: {
      volumes: [
        { name: 'v', configMap: { name: 'x' } },
        { name: 'w', emptyDir: {} },
      ],
      containers: [{ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP' }] }, { name: 'injected' }, { name: 'b' }],
      tolerations: [{ key: 'a' }, { key: 'b' }],
    },
  }
  const patch = {
    spec: {
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }],
      '$setElementOrder/volumes': [{ name: 'v' }, { name: 'w' }],
      containers: [
        { name: 'c', image: 'i' },
        {
          '$setElementOrder/ports': [{ containerPort: 81 }],
          name: 'a',
          ports: [{ containerPort: 81 }, { containerPort: 80, $patch: 'delete' }],
        },
        { name: 'b', $patch: 'delete' },
      ],
      tolerations: [{ key: 'c' }],
      volumes: [{ $retainKeys: ['name', 'secret'], name: 'v', secret: { secretName: 's' }, configMap: null }],
    },
  }
  expect(strategicMergePatch(pod, patch, schemaOf('io.k8s.api.core.v1.Pod'))).toEqual({
    spec: {
      volumes: [
        { name: 'v', secret: { secretName: 's' } },
        { name: 'w', emptyDir: {} },
      ],
      containers: [{ name: 'c', image: 'i' }, { name: 'a', ports: [{ containerPort: 81 }] }, { name: 'injected' }],
      tolerations: [{ key: 'c' }],
    },
  })
})

test.each<[object, number, string]>([
  [[], 400, 'error decoding patch'],
  [{ labels: { $patch: 'x', a: '1' } }, 500, 'unknown patch type: x in map: map[$patch:x a:1]'],
  [{ containers: [{ image: '1' }] }, 500, 'map: map[image:1] does not contain declared merge key: name'],
  [{ containers: [{ $patch: 'merge' }] }, 500, 'merging lists cannot yet be specified in the patch'],
  [{ containers: [[a]] }, 422, 'the server rejected our request'],
  [{ strategy: { $retainKeys: ['type'], rollingUpdate: {} } }, 422, 'the server rejected our request'],
  [{ strategy: { $retainKeys: 'type' } }, 400, 'invalid patch format of retainKeys'],
  [{ '$deleteFromPrimitiveList/finalizers': 'x' }, 400, 'invalid patch format of primitive list'],
  [
    { '$setElementOrder/containers': [{ name: 'b' }], containers: [c] },
    400,
    'invalid patch format of setElementOrder list',
  ],
])('%j is refused', (patch, code, message) => {
  expect(() => strategicMergePatch({}, patch, schema)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  )
})
