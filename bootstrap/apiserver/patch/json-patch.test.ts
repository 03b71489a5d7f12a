import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'

interface Case {
  comment?: string
  doc: unknown
  patch: unknown
  expected?: unknown
  error?: string
  disabled?: boolean
}

for (const file of ['spec_tests.json', 'tests.json']) {
  const path = `../shared/testdata/json-patch/${file}`
  const cases = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Case[]) : []
  describe(`the public JSON Patch suite, ${file}`, () => {
    if (cases.length === 0) test.skip(`${path} is absent`, () => {})
    for (const [index, { comment, doc, patch, expected, error, disabled }] of cases.entries()) {
      if (disabled) continue
      test(`${index} ${comment ?? error ?? ''}`, () => {
        const before = structuredClone(doc)
        if (error !== undefined)
          expect(() => applyJsonPatch(doc, patch)).toThrow(expect.objectContaining({ code: 422 }))
        else if (expected !== undefined) expect(applyJsonPatch(doc, patch)).toEqual(expected)
        else applyJsonPatch(doc, patch)
        expect(doc).toEqual(before)
      })
    }
  })
}

describe('JSON patch', () => {
  test.each([
    ['no list', {}, 400],
    ['no operations', ['x'], 400],
    ['too many operations', Array.from({ length: 10_001 }, () => ({ op: 'add', path: '/a', value: 1 })), 413],
    ['a failing test', [{ op: 'test', path: '/a', value: 2 }], 422],
    ['a move into itself', [{ op: 'move', from: '/b', path: '/b/c' }], 422],
  ])('%s is refused', (_, patch, code) => {
    expect(() => applyJsonPatch({ a: 1, b: {} }, patch)).toThrow(expect.objectContaining({ code }))
  })

  test('an absent field passes a test for null', () => {
    expect(applyJsonPatch({}, [{ op: 'test', path: '/a', value: null }])).toEqual({})
  })

  test('__proto__ is an ordinary key', () => {
    const patched = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { x: 1 } }]) as object
    expect(Object.keys(patched)).toEqual(['__proto__'])
    expect(({} as { x?: number }).x).toBeUndefined()
  })
})

describe('merge patch', () => {
  test.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j gives %j', (document, patch, expected) => {
    const before = structuredClone(document)
    expect(applyMergePatch(document, patch)).toEqual(expected)
    expect(document).toEqual(before)
  })

  test('a patch must be an object', () => {
    expect(() => applyMergePatch({}, [])).toThrow(expect.objectContaining({ code: 400 }))
  })
})
