import { expect, test } from '@jest/globals'
import { Warnings, warningHeader } from './warnings.ts'

test.each([
  ['plain', '299 - "plain"'],
  ['say "x" \\ y', '299 - "say \\"x\\" \\\\ y"'],
  ['two\nlines\u007f', '299 - "twolines"'],
])('%j becomes %s', (text, header) => {
  expect(warningHeader(text)).toBe(header)
})

test('repeated ones are sent once, empty ones never', () => {
  const warnings = new Warnings()
  for (const text of ['a', 'b', 'a', '']) warnings.add(text)
  expect(warnings.headers()).toEqual(['299 - "a"', '299 - "b"'])
})

test('long ones are cut only when they are too long together', () => {
  const warnings = new Warnings()
  warnings.add('x'.repeat(4000))
  expect(warnings.headers()[0]).toHaveLength(4000 + '299 - ""'.length)
  warnings.add('y'.repeat(200))
  expect(warnings.headers().map(header => header.length - '299 - ""'.length)).toEqual([256, 200])
})
