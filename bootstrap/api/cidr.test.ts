import { expect, test } from '@jest/globals'
import { cidrFamily, cidrText, contains, nthAddress, parseCidr } from './cidr.ts'

test.each([
  ['10.43.0.0/16', 10, '10.43.0.10'],
  ['10.43.7.9/16', 1, '10.43.0.1'],
  ['fd00:43::/112', 10, 'fd00:43::a'],
  ['fd00:42:0:3::/64', 1, 'fd00:42:0:3::1'],
])('of %s address %i is %s', (cidr, n, expected) => expect(nthAddress(cidr, n)).toBe(expected))

test.each(['10.42.0.0', '10.42.0.0/33', 'fd00::/129', 'x/8', '10.0.0.0/8/8', ''])('%j is no network', text =>
  expect(parseCidr(text)).toBeUndefined(),
)

test('networks are told by their first address', () => {
  expect(cidrText(parseCidr('10.42.3.7/24')!)).toBe('10.42.3.0/24')
  expect(cidrText(parseCidr('fd00:42:0:0:1::/56')!)).toBe('fd00:42::/56')
  expect(cidrFamily('fd00:42::/56')).toBe('IPv6')
})

test.each([
  ['10.42.0.0/16', '10.42.9.0/24', true],
  ['10.42.0.0/16', '10.42.9.1', true],
  ['10.42.0.0/16', '10.43.0.1', false],
  ['10.42.1.0/24', '10.42.0.0/16', false],
  ['fd00:42::/56', 'fd00:42:0:1::/64', true],
  ['fd00:42::/56', 'fd00:42:0:100::', false],
  ['fd00:42::/56', '10.42.0.1', false],
])('%s has %s: %s', (outer, inner, expected) => expect(contains(parseCidr(outer)!, inner)).toBe(expected))
