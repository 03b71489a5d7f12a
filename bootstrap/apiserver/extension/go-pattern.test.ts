import { expect, test } from '@jest/globals'
import { goPattern } from './go-pattern.ts'

test.each([
  ['^(?i)(abort|warn)?$', ['', 'abort', 'WARN', 'Warn'], ['warned', 'abor']],
  [
    '^((?i)sun|mon)day(?:(:(sun|mon)day$)|$)',
    ['Sunday', 'MONday', 'monday:sunday'],
    ['monDay', 'monday:SUNday', 'tueday'],
  ],
  ['(?i)^a[b-d]$', ['ab', 'AC', 'aD'], ['ae', 'xab']],
  ['^(?i:a)b$', ['ab', 'Ab'], ['aB']],
  ['(?i)a(?-i)b', ['ab', 'Ab'], ['aB']],
  ['(?s)^a.b$', ['a\nb'], ['a\n\nb']],
  ['^a.b$', ['axb', 'a\rb', 'a😀b'], ['a\nb', 'ab']],
  ['(?m)^b$', ['a\nb\nc', 'b'], ['ab']],
  ['^b$', ['b'], ['b\n', 'a\nb']],
  ['\\Aa\\z', ['a'], ['a\n', 'ba']],
  ['^(?P<year>\\d{4})-(?<month>\\d\\d)$', ['2026-11'], ['26-11', '٢٠٢٦-11']],
  ['^[\\w\\s:/.\\\\-]+$', ['a b:/.\\-'], ['a+', 'é', 'a\u00a0b']],
  ['^[0-9a-zA-Z-.]+$', ['a-1.b'], ['a_b']],
  ['^[]a]+$', [']a]'], ['b']],
  ['^[^]a]$', ['b', '\n'], [']', 'a']],
  ['^[[:alpha:]][[:^digit:]]$', ['ab', 'a_'], ['1b', 'a1']],
  ['^[\\S]$', ['\v', '\u00a0', 'a'], [' ', '\t']],
  ['^[^\\D]+$', ['12'], ['a']],
  ['^\\p{Lu}\\pL+$', ['Éa'], ['éa', 'E1']],
  ['^\\p{Greek}\\P{Greek}[\\p{^Greek}]$', ['αbc'], ['abc', 'αβc']],
  ['^\\Qa.b\\E+$', ['a.b', 'a.bb'], ['axb']],
  ['^a{,2}$', ['a{,2}'], ['aa']],
  ['^a{2}}]$', ['aa}]'], ['a}]']],
  ["^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$", ["a`~'"], ['a b', '"']],
  ['^\\x{1F600}$', ['😀'], ['x']],
  ['^[\\x{1F600}-\\x{1F64F}]x$', ['😁x'], ['x', 'ax']],
  ['^\\101\\t$', ['A\t'], ['101\t']],
  ['^(^)*(\\b)?a\\/\\-$', ['a/-'], ['a/']],
])('%s', (pattern, matching, others) => {
  const found = goPattern(pattern)
  expect(matching.filter(text => !found?.test(text))).toEqual([])
  expect(others.filter(text => found?.test(text))).toEqual([])
})

test.each([
  '(',
  ')',
  'a)',
  '[',
  '[a',
  'a**',
  '*',
  '(?=a)',
  '(?!a)',
  '(?<=a)b',
  '(a)\\1',
  '\\y',
  '\\p{Nope}',
  '\\p',
  '[b-a]',
  '[[:nope:]]',
  'a{1001}',
  'a{2,1}',
  '(?x)a',
  '\\',
])('%s is no pattern', pattern => {
  expect(goPattern(pattern)).toBeUndefined()
})

test('an expression that backtracks without end still answers', () => {
  expect(goPattern('^(?i)(a+)+$')?.test(`${'a'.repeat(60)}!`)).toBe(false)
})
