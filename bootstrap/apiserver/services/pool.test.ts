import { describe, expect, test } from '@jest/globals'
import { AddressRange } from './address-range.ts'
import { bandOf, Pool } from './pool.ts'

describe('AddressRange', () => {
  test.each([
    ['10.43.0.0/16', 'IPv4', 65534, '10.43.0.1', '10.43.255.254'],
    ['192.168.1.77/24', 'IPv4', 254, '192.168.1.1', '192.168.1.254'],
    ['2001:cafe:43::/112', 'IPv6', 65535, '2001:cafe:43::1', '2001:cafe:43::ffff'],
  ])('%s', (cidr, family, usable, first, last) => {
    const range = new AddressRange(cidr)
    expect([range.family, range.usable, range.at(1), range.at(usable)]).toEqual([family, usable, first, last])
  })

  test.each([
    ['10.43.0.0/24', '10.43.0.0', false],
    ['10.43.0.0/24', '10.43.0.1', true],
    ['10.43.0.0/24', '10.43.0.255', false],
    ['10.43.0.0/24', '10.43.1.1', false],
    ['10.43.0.0/24', '::1', false],
    ['2001:db8::/112', '2001:db8::ffff', true],
    ['2001:db8::/112', '2001:db8::1:0', false],
  ])('%s contains %s: %p', (cidr, address, expected) => {
    expect(new AddressRange(cidr).contains(address)).toBe(expected)
  })

  test.each(['10.43.0.0', '10.43.0.0/33', 'x/8'])('%s is no CIDR', text => {
    expect(() => new AddressRange(text)).toThrow('want an address and a prefix length')
  })
})

describe('bandOf', () => {
  test.each([
    [2768, 32, 16, 128, 86],
    [65534, 16, 16, 256, 256],
    [254, 16, 16, 256, 16],
    [14, 16, 16, 256, 0],
  ])('%i numbers keep %i', (size, share, least, most, expected) => {
    expect(bandOf(size, share, least, most)).toBe(expected)
  })
})

describe('Pool', () => {
  test('hands out the upper band first, then the lower, then nothing', () => {
    const pool = new Pool(100, 5, 2, () => 0.99)
    expect([1, 2, 3, 4, 5, 6].map(owner => pool.next(String(owner)))).toEqual([104, 102, 103, 101, 100, undefined])
  })

  test('a number has one owner, who may take it again and alone gives it back', () => {
    const pool = new Pool(1, 3, 0, () => 0)
    expect(pool.take(2, 'a')).toBe(true)
    expect(pool.take(2, 'a')).toBe(true)
    expect(pool.take(2, 'b')).toBe(false)
    pool.release(2, 'b')
    expect(pool.take(2, 'b')).toBe(false)
    pool.release(2, 'a')
    expect(pool.take(2, 'b')).toBe(true)
  })
})
