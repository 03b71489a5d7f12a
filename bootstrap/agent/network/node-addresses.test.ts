import type { NetworkInterfaceInfo } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import { NodeAddresses, type NodeAddressOptions } from './node-addresses.ts'

type Interfaces = { [name: string]: string[] }

function addresses(start: Interfaces, options: Partial<NodeAddressOptions> = {}) {
  const machine = { now: start }
  const info = (address: string) => ({ address, internal: address === '127.0.0.1' }) as NetworkInterfaceInfo
  const interfaces = () => Object.fromEntries(Object.entries(machine.now).map(([name, list]) => [name, list.map(info)]))
  const node = new NodeAddresses({ initial: ['192.0.2.7'], given: false, interfaces, routes: () => '', ...options })
  const becomes = (now: Interfaces) => {
    machine.now = now
    return node.look() ? node.current : 'the same'
  }
  return becomes
}

const before = { lo: ['127.0.0.1'], eth0: ['192.0.2.7', 'fe80::7'] }

describe('the address of a node', () => {
  test('follows the machine', () => {
    expect(addresses(before)({ lo: ['127.0.0.1'], eth0: ['192.0.2.99'] })).toEqual(['192.0.2.99'])
  })

  test.each<[string, Interfaces]>([
    ['a further address', { eth0: ['192.0.2.7', '192.0.2.8'], eth1: ['198.51.100.7'] }],
    ['another order', { eth1: ['198.51.100.7'], eth0: ['192.0.2.7'] }],
    ['the loss of all', { lo: ['127.0.0.1'] }],
    ['only link-local ones', { eth0: ['169.254.3.4'] }],
    ['only those of pods', { cni0: ['10.42.0.1'], 'flannel.1': ['10.42.0.0'] }],
    ['only another family', { eth0: ['2001:db8::7'] }],
  ])('stays with %s', (_, now) => expect(addresses(before)(now)).toBe('the same'))

  test('comes back as another one after a while without', () => {
    const becomes = addresses(before)
    expect(becomes({})).toBe('the same')
    expect(becomes({ eth0: ['192.0.2.50'] })).toEqual(['192.0.2.50'])
  })

  test('is what was given, whatever happens', () => {
    expect(addresses(before, { given: true })({ eth0: ['192.0.2.99'] })).toBe('the same')
  })

  test('is that of the interface that was named', () => {
    const becomes = addresses(before, { iface: 'eth0' })
    expect(becomes({ eth0: ['192.0.2.99'], eth1: ['192.0.2.7'] })).toEqual(['192.0.2.99'])
  })
})
