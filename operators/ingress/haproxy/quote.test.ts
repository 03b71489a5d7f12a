import { expect, test } from '@jest/globals'
import { cidr, formatWord, headerName, parameterName, replacement, Unrenderable, word } from './quote.ts'

test.each([
  ["it's", `'it'\\''s'`],
  ['a b "c" $d \\e #f }', `'a b "c" $d \\e #f }'`],
  ['', "''"],
])('%s is one word', (text, wanted) => expect(word(text)).toBe(wanted))

test('a format has nothing to expand', () => expect(formatWord('100%[src]')).toBe(`'100%%[src]'`))

test.each(['a\nb', 'a\0', '\x7f'])('%j is refused', text => expect(() => word(text)).toThrow(Unrenderable))

test.each([
  [`/$1/$\{2}`, '/\\2/\\3'],
  ['$$', '$'],
  ['\\1 %', '\\\\1 %%'],
])('replacement %s', (text, wanted) => expect(replacement(text, 1)).toBe(wanted))

test('names and addresses are nothing else', () => {
  expect(headerName('X-Own_1')).toBe('X-Own_1')
  for (const bad of ['a b', 'a)', "a'", '', 'a%b', 'a\nb']) expect(() => headerName(bad)).toThrow(Unrenderable)
  for (const bad of ['a)', 'a,b', 'a b', '']) expect(() => parameterName(bad)).toThrow(Unrenderable)
  expect(['10.0.0.0/8', '::1', 'fd00::/8'].map(cidr)).toEqual(['10.0.0.0/8', '::1', 'fd00::/8'])
  for (const bad of ['10.0.0.0/8 }', 'localhost', '-f /etc/passwd']) expect(() => cidr(bad)).toThrow(Unrenderable)
})
