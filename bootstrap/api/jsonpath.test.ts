import { expect, test } from '@jest/globals'
import { JsonPathError, parseJsonPath, printResults, simplePath } from './jsonpath.ts'

const object = {
  metadata: { name: 'a', labels: { 'app.kubernetes.io/name': 'web', "it's": 'x' } },
  spec: {
    replicas: 3,
    paused: false,
    list: [1, 2, 3, 4],
    empty: '',
    nothing: null,
    nested: { a: { id: 1 }, b: { id: 2 } },
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', weight: 5 },
      { type: 'Synced', status: 'False', weight: 10 },
    ],
  },
}

test.each([
  ['.metadata.name', 'a'],
  ['$.metadata.name', 'a'],
  ['{.metadata.name}', 'a'],
  [".metadata.labels['app.kubernetes.io/name']", 'web'],
  ['.metadata.labels.app\\.kubernetes\\.io/name', 'web'],
  ['.metadata.labels["it\'s"]', 'x'],
  ['.spec.replicas', '3'],
  ['.spec.paused', 'false'],
  ['.spec.empty', ''],
  ['.spec.nothing', '<no value>'],
  ['.spec.missing', ''],
  ['.spec.replicas.deeper', ''],
  ['.spec.list', '[1,2,3,4]'],
  ['.spec.nested.a', '{"id":1}'],
  ['.spec.list[0]', '1'],
  ['.spec.list[-1]', '4'],
  ['.spec.list[-2]', '3'],
  ['.spec.list[9]', ''],
  ['.spec.list[1:3]', '2 3'],
  ['.spec.list[2:]', '3 4'],
  ['.spec.list[:2]', '1 2'],
  ['.spec.list[0:4:2]', '1 3'],
  ['.spec.list[*]', '1 2 3 4'],
  ['.spec.list[0,2]', '1 3'],
  ['.spec.nested.*.id', '1 2'],
  ['..id', '1 2'],
  [".spec['replicas','paused']", '3 false'],
  ['.status.conditions[?(@.type=="Ready")].status', 'True'],
  [".status.conditions[?(@.type=='Synced')].status", 'False'],
  ['.status.conditions[?(@.type != "Ready")].type', 'Synced'],
  ['.status.conditions[?(@.weight>=10)].type', 'Synced'],
  ['.status.conditions[?(@.weight<10)].type', 'Ready'],
  ['.status.conditions[?(@.reason)].type', ''],
  ['.status.conditions[?(@.type=="Other")].status', ''],
])('%s prints %j', (path, text) => {
  expect(printResults(parseJsonPath(path).find(object))).toBe(text)
})

test.each(['spec', '.a[', '.a[x]', '.a[?(x)]', '.a b'])('%j is refused', path => {
  expect(() => parseJsonPath(path)).toThrow(JsonPathError)
})

test('simple paths are names only', () => {
  expect(simplePath('.spec.a')).toEqual(['spec', 'a'])
  expect(simplePath(".spec['a.b']")).toEqual(['spec', 'a.b'])
  expect(simplePath('.spec[0]')).toBeUndefined()
})
