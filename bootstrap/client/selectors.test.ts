import { expect, test } from '@jest/globals'
import { parseSelector, selectorText, selects, selectsMap } from './selectors.ts'

const labels = { app: 'web', tier: 'front' }

test.each([
  ['', true],
  ['app=web', true],
  ['app==web,tier=front', true],
  ['app=db', false],
  ['app!=db', true],
  ['missing!=x', true],
  ['app in (web, db)', true],
  ['app notin (web)', false],
  ['missing notin (web)', true],
  ['app', true],
  ['!app', false],
  ['!missing,app in (web),tier=front', true],
  ['example.com/name=', false],
])('%s matches: %s', (text, expected) => {
  expect(selects(parseSelector(text), labels)).toBe(expected)
})

test('malformed selectors are refused', () => {
  expect(() => parseSelector('a=(b)')).toThrow(SyntaxError)
})

test('no selector matches nothing, an empty one everything', () => {
  expect(selects(undefined, labels)).toBe(false)
  expect(selects({}, undefined)).toBe(true)
  expect(selectsMap(undefined, labels)).toBe(true)
})

test('the query form is stable', () => {
  const selector = {
    matchLabels: { b: '2', a: '1' },
    matchExpressions: [
      { key: 'c', operator: 'In', values: ['z', 'y'] },
      { key: 'd', operator: 'DoesNotExist' },
    ],
  }
  expect(selectorText(selector)).toBe('a=1,b=2,c in (y,z),!d')
})
