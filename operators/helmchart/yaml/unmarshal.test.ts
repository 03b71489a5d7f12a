import { describe, expect, test } from '@jest/globals'
import { readYaml } from './unmarshal.ts'

test.each<[string, unknown]>([
  ['', undefined],
  ['# nothing', undefined],
  [
    'a: 1\nb:\n- x\n-\n- k: v\n  l: [1, {m: n}, o: p]\n',
    { a: 1, b: ['x', null, { k: 'v', l: [1, { m: false }, { o: 'p' }] }] },
  ],
  ['[y, N, on, Off, yes, "yes", ~, null, ""]', [true, false, true, false, true, 'yes', null, null, '']],
  [
    '[017, 0o17, 0x1F, 0b11, 1_000, +1, -0, .5, 1., 1e3, 08, 1e400, 12:30, 2024-01-01]',
    [15, 15, 31, 3, 1000, 1, 0, 0.5, 1, 1000, 8, '1e400', '12:30', '2024-01-01'],
  ],
  ['1: a\n1.50: b\ny: c\n0x10: d\n1e30: e', { 1: 'a', 1.5: 'b', true: 'c', 16: 'd', '1e+30': 'e' }],
  [
    'a: |\n  x\n   y\n\nb: >-\n  f\n  g\n\n  h\nc: |+\n  k\n\nd: |1\n  l\n',
    { a: 'x\n y\n', b: 'f g\nh', c: 'k\n\n', d: ' l\n' },
  ],
  [
    "a: \"x\\n\\u00e9\\\n  y\n\n  z\"\nb: 'it''s\n  folded'\nc: plain\n  folded\n",
    { a: 'x\néy\nz', b: "it's folded", c: 'plain folded' },
  ],
  [
    'a: &x {b: 1, c: 2}\nd: *x\ne:\n  c: 3\n  <<: *x\nf: {<<: [{g: 1}, {g: 2}], h: 1}',
    { a: { b: 1, c: 2 }, d: { b: 1, c: 2 }, e: { b: 1, c: 2 }, f: { g: 1, h: 1 } },
  ],
  ['!!str 5', '5'],
  ['!!float 5', 5],
  ['!!binary aGk=', 'hi'],
  ['%YAML 1.1\n%TAG ! tag:x,1:\n---\na: !b c\n...\nignored: [', { a: 'c' }],
  ['? a\n: b\n? c', { a: 'b', c: null }],
  ['{a: 1, b, "c":d}', { a: 1, b: null, c: 'd' }],
  ['9007199254740993', 9007199254740992],
  ['\ufeffa: 1\nb: 2', { a: 1, b: 2 }],
  ['"😀": 😀\nb: 1', { '😀': '😀', b: 1 }],
])('%j', (text, value) => {
  expect(readYaml(text)).toEqual(value)
})

describe('mistakes are told in the words of Go', () => {
  test.each([
    ['a: b: c', 'yaml: mapping values are not allowed in this context'],
    ['a: 1\nb: c: d', 'yaml: line 2: mapping values are not allowed in this context'],
    ['a:\n  b: 1\n c: 2', 'yaml: line 2: did not find expected key'],
    ['a: [1,\n2\nb: 3', "yaml: line 2: did not find expected ',' or ']'"],
    ['a: {b: 1\n', "yaml: line 1: did not find expected ',' or '}'"],
    ['- a\n-b: 1', "yaml: line 1: did not find expected '-' indicator"],
    ['a:\n\tb: 1', 'yaml: line 2: found character that cannot start any token'],
    ['a: @b', 'yaml: found character that cannot start any token'],
    ['a: "x', 'yaml: found unexpected end of stream'],
    ['a: "\\q"', 'yaml: found unknown escape character'],
    ['a\nb: 1', 'yaml: line 2: mapping values are not allowed in this context'],
    ['a: *b', "yaml: unknown anchor 'b' referenced"],
    ['a: &b [*b]', "yaml: anchor 'b' value contains itself"],
    ['<<: 1', 'yaml: map merge requires map or sequence of maps as the value'],
    ['~: 1', 'unsupported map key of type: %!s(<nil>), key: <nil>, value: 1'],
    ['a: .inf', 'json: unsupported value: +Inf'],
    ['!!int x', 'yaml: cannot decode !!str `x` as a !!int'],
    ['a: {{ .Values.x }}', 'yaml: invalid map key: map[interface {}]interface {}{".Values.x":interface {}(nil)}'],
    ['a: \x01', 'yaml: control characters are not allowed'],
    ['%YAML 1.2\n---\n', 'yaml: found incompatible YAML document'],
    ['['.repeat(10_001), 'yaml: exceeded max depth of 10000'],
  ])('%j', (text, message) => {
    expect(() => readYaml(text)).toThrow(`error converting YAML to JSON: ${message}`)
  })
})

test('aliases that multiply are refused', () => {
  const level = (n: number) =>
    `l${n}: &l${n} [${Array(9)
      .fill(n === 0 ? 'x' : `*l${n - 1}`)
      .join(', ')}]`
  const bomb = Array.from({ length: 9 }, (_, n) => level(n)).join('\n')
  expect(() => readYaml(bomb)).toThrow('yaml: document contains excessive aliasing')
})

test('integers can be had exactly', () => {
  expect(readYaml('[9007199254740993, 5]', { exactIntegers: true })).toEqual([9007199254740993n, 5])
})
