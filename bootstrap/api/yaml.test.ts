import { expect, test } from '@jest/globals'
import { formatYaml, parseYaml, parseYamlDocuments, parseYamlLeniently, YamlError } from './yaml.ts'

test.each([
  ['a: yes', { a: true }],
  ['a: off', { a: false }],
  ['on: x', { on: 'x' }],
  ['a: 12:30:45', { a: '12:30:45' }],
  ['a: 2024-01-01', { a: '2024-01-01' }],
  ['mode: 0644', { mode: 420 }],
  ['a: 0o17', { a: 15 }],
  ['a: "yes"', { a: 'yes' }],
  ['a: 1e3', { a: 1000 }],
  ['a: ~', { a: null }],
  ['base: &b {x: 1}\nmore: {<<: *b, y: 2}', { base: { x: 1 }, more: { x: 1, y: 2 } }],
  ['{"a": [1, 2]}', { a: [1, 2] }],
])('%s', (text, value) => {
  expect(parseYaml(text)).toEqual(value)
})

test('documents are split, empty ones skipped, their lines known', () => {
  const documents = parseYamlDocuments('# nothing\n---\na: 1\n---\n# only a comment\n---\nb: 2\n')
  expect(documents).toEqual([
    { value: { a: 1 }, line: 3 },
    { value: { b: 2 }, line: 7 },
  ])
})

test('a mistake is located', () => {
  const broken = () => parseYamlDocuments('a: 1\n---\nb: [1,\nc: 2\n')
  expect(broken).toThrow(YamlError)
  try {
    broken()
  } catch (error) {
    expect(error).toMatchObject({ document: 1 })
  }
})

test('an alias bomb is refused', () => {
  const level = (n: number) =>
    `l${n}: &l${n} [${Array(9)
      .fill(n === 0 ? 'x' : `*l${n - 1}`)
      .join(', ')}]`
  expect(() => parseYaml(Array.from({ length: 9 }, (_, n) => level(n)).join('\n'))).toThrow(/alias/)
})

test('a lenient reading takes the last of two keys and says what a strict one would', () => {
  const { value, duplicates } = parseYamlLeniently('spec:\n  a: 1\n  on: x\n  a: 2\nlist: [{b: 1, b: 2}]\n')
  expect(value).toEqual({ spec: { a: 2, on: 'x' }, list: [{ b: 2 }] })
  expect(duplicates).toEqual(['line 4: key "a" already set in map', 'line 5: key "b" already set in map'])
  expect(() => parseYamlLeniently('a: [')).toThrow(YamlError)
})

test('strings that older readers would misread are quoted', () => {
  expect(formatYaml({ a: 'yes', b: '12:30', c: 'plain' })).toBe('a: "yes"\nb: "12:30"\nc: plain\n')
})
