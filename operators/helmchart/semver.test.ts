import { expect, test } from '@jest/globals'
import {
  compareVersions,
  isCompatibleRange,
  parseConstraint,
  parseStrictVersion,
  parseVersion,
  satisfies,
  versionText,
} from './semver.ts'

const check = (constraint: string, version: string) => satisfies(parseVersion(version)!, parseConstraint(constraint))

test.each([
  ['*', '1.2.3 0.0.0 | 1.0.0-rc.1'],
  ['1.2.3', '1.2.3 1.2.3+build | 1.2.4 1.2.3-a'],
  ['v1.2.3', '1.2.3 v1.2.3 | 1.2.4'],
  ['1.2', '1.2.0 1.2.9 | 1.3.0'],
  ['1', '1.0.0 1.9.9 | 2.0.0'],
  ['=1.x', '1.9.0 | 2.0.0'],
  ['!=1.2', '1.3.0 2.2.0 | 1.2.0 1.2.7 2.0.0-a'],
  ['!=1', '2.0.0 | 1.0.0 1.7.3'],
  ['!=1.2.3', '1.2.4 | 1.2.3'],
  ['>1', '2.0.0 | 1.0.0 1.9.9'],
  ['>1.1', '1.2.0 2.0.0 | 1.1.9 1.1.0'],
  ['>1.1.1', '1.1.2 | 1.1.1'],
  ['<1.x', '0.9.9 | 1.0.0 1.5.0'],
  ['<=1', '1.9.9 0.1.0 | 2.0.0'],
  ['<=1.1', '1.1.9 | 1.2.0'],
  ['<=1.1.1', '1.1.1 | 1.1.2'],
  ['>=1.1', '1.1.0 4.0.0 | 1.0.9 4.0.0-beta'],
  ['=>1.1', '1.1.0 | 1.0.9'],
  ['=<1.1.0', '1.1.0 | 1.1.1'],
  ['>=0-0', '0.0.0-alpha 1.0.0-rc1 3.0.0 |'],
  ['~1.2.3', '1.2.3 1.2.9 | 1.3.0 1.2.2'],
  ['~>1.2', '1.2.0 | 1.3.0'],
  ['~1', '1.9.0 | 2.0.0'],
  ['~*', '7.0.0 | 7.0.0-a'],
  ['^1.2.3', '1.2.3 1.9.0 | 2.0.0 1.2.2'],
  ['^0.2.3', '0.2.9 | 0.3.0'],
  ['^0.0.3', '0.0.3 | 0.0.4'],
  ['^0.0', '0.0.9 | 0.1.0'],
  ['^0', '0.9.0 | 1.0.0'],
  ['^1.2.0-alpha.1', '1.2.0-alpha.2 1.3.0-beta 1.2.0 | 1.2.0-alpha.0 2.0.0'],
  ['>=1.0 <2.0', '1.5.0 | 2.0.0 0.9.0'],
  ['>=1.0, <2.0, !=1.5.0', '1.4.0 | 1.5.0'],
  ['1.2 - 1.4.5', '1.2.0 1.4.5 | 1.4.6 1.1.9'],
  ['<1.0 || >=2.0.0-0', '0.9.0 2.1.0-rc.1 2.0.0 | 1.5.0 0.9.0-rc.1'],
])('%s', (constraint, versions) => {
  const [yes = '', no = ''] = versions.split('|').map(side => side.trim())
  expect(yes.split(' ').filter(version => version !== '' && !check(constraint, version))).toEqual([])
  expect(no.split(' ').filter(version => version !== '' && check(constraint, version))).toEqual([])
})

test.each(['foo', '>= bar', '1.2.3.4', '12.3.34~ 1.2.3', 'v1.2.3-beta.01', '>=1 nonsense'])(
  'no constraint: %s',
  text => {
    expect(() => parseConstraint(text)).toThrow(/^(?:improper constraint: |constraint parser error$)/)
  },
)

test('versions are read leniently and written in full', () => {
  expect(['1', 'v1.2', '01.2.3', '1.2.3-a.1+b'].map(text => versionText(parseVersion(text)!))).toEqual([
    '1.0.0',
    '1.2.0',
    '1.2.3',
    '1.2.3-a.1+b',
  ])
  expect(['', 'x', '1.2.3.4', '1.2.3-', '1.2.3-01', '1.2.3+', '-1'].map(parseVersion)).toEqual(Array(7).fill(undefined))
  expect(['1.2.3', '1.2.3-a', '1.2', 'v1.2.3', '01.2.3'].map(text => parseStrictVersion(text) !== undefined)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ])
})

test('order', () => {
  const sorted = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0',
    '1.0.1',
    '1.10.0',
  ]
  const shuffled = [...sorted].reverse().map(text => parseVersion(text)!)
  expect(shuffled.sort(compareVersions).map(versionText)).toEqual(sorted)
  expect(compareVersions(parseVersion('1.0.0+a')!, parseVersion('1.0.0+b')!)).toBe(0)
})

test.each<[string, string, boolean]>([
  ['>=1.19.0-0', '1.36.1-skiff1', true],
  ['>=1.19', '1.36.1-skiff1', false],
  ['1.2 - 1.4', '1.4.9', true],
  ['1.x.x', '1.9.0', true],
  ['', '1.0.0', false],
  ['>=1 || ', '1.0.0', false],
  ['*', 'nonsense', false],
  ['nonsense', '1.0.0', false],
])('is %j compatible with %s: %s', (range, version, compatible) => {
  expect(isCompatibleRange(range, version)).toBe(compatible)
})
