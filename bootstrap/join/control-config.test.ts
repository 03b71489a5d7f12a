import { expect, test } from '@jest/globals'
import { cidrOf, ipNet } from './control-config.ts'

test.each([
  ['10.42.0.0/16', { IP: '10.42.0.0', Mask: '//8AAA==' }],
  ['192.168.4.0/22', { IP: '192.168.4.0', Mask: '///8AA==' }],
  ['10.0.0.1/32', { IP: '10.0.0.1', Mask: '/////w==' }],
  ['fd00:42::/56', { IP: 'fd00:42::', Mask: '/////////wAAAAAAAAAAAA==' }],
])('%s is %j, as Go writes it', (cidr, net) => {
  expect(ipNet(cidr)).toEqual(net)
  expect(cidrOf(net)).toBe(cidr)
})

test('host bits do not count', () => expect(ipNet('10.42.3.4/16').IP).toBe('10.42.0.0'))

test.each([
  { IP: '10.42.0.0', Mask: '/w==' },
  { IP: 'x', Mask: '//8AAA==' },
  { IP: '10.42.0.0', Mask: '/wD/AA==' },
])('%j is refused', net => expect(() => cidrOf(net)).toThrow(/a network that is none/))
