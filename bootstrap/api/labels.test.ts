import { expect, test } from '@jest/globals'
import { labelValueErrors, qualifiedNameErrors, subdomainErrors } from './labels.ts'

const nameRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

test.each<[string, string[]]>([
  ['app', []],
  ['example.com/App_1.x', []],
  ['', ['name part must be non-empty', nameRule]],
  ['/a', ['prefix part must be non-empty']],
  ['a b', [nameRule]],
  ['a'.repeat(64), ['name part must be no more than 63 bytes']],
])('label key %j', (key, expected) => {
  expect(qualifiedNameErrors(key)).toEqual(expected)
})

test('label keys have one prefix, which is a subdomain', () => {
  expect(qualifiedNameErrors('a/b/c')).toEqual([
    expect.stringMatching(/^a qualified name must consist of .* with an optional DNS subdomain prefix/),
  ])
  expect(qualifiedNameErrors('A_/b')).toEqual([
    expect.stringMatching(/^prefix part a lowercase RFC 1123 subdomain must/),
  ])
})

test('label values and subdomains', () => {
  expect(labelValueErrors('')).toEqual([])
  expect(labelValueErrors('a'.repeat(64))).toEqual(['must be no more than 63 bytes'])
  expect(labelValueErrors('-a')).toHaveLength(1)
  expect(subdomainErrors('a.b-c.1')).toEqual([])
  expect(subdomainErrors(`${'a'.repeat(254)}`)).toEqual(['must be no more than 253 bytes'])
  expect(subdomainErrors('a..b')).toHaveLength(1)
})
