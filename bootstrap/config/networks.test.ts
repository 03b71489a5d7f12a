import { describe, expect, test } from '@jest/globals'
import { serverFlags } from './flags.ts'
import { ConfigError, parseFlags } from './parse.ts'
import { serverConfig } from './server-config.ts'

const config = (primaryAddress: string, ...args: string[]) =>
  serverConfig(parseFlags(serverFlags, [], args, {}), {
    hostname: 'box',
    primaryAddress,
    addressOf: iface => (iface === 'eth1' ? '198.51.100.7' : undefined),
  })

const dual = [
  '--cluster-cidr=10.42.0.0/16,2001:cafe:42::/56',
  '--service-cidr=10.43.0.0/16,2001:cafe:43::/112',
  '--node-ip=192.0.2.7,2001:db8::7',
]

describe("the cluster's networks", () => {
  test('of a machine with only IPv6', () => {
    expect(config('2001:db8::7')).toMatchObject({
      clusterCidrs: ['fd00:42::/56'],
      serviceCidrs: ['fd00:43::/112'],
      clusterDns: ['fd00:43::a'],
      nodeIps: ['2001:db8::7'],
      advertiseAddress: '2001:db8::7',
      bindAddress: '::',
    })
  })

  test('of both families', () => {
    expect(config('192.0.2.7', ...dual)).toMatchObject({
      clusterCidrs: ['10.42.0.0/16', '2001:cafe:42::/56'],
      clusterDns: ['10.43.0.10', '2001:cafe:43::a'],
      bindAddress: '::',
    })
  })

  test('what is given counts', () => {
    const given = config('2001:db8::7', '--bind-address=::1', '--cluster-dns=fd00:43::53')
    expect(given).toMatchObject({ bindAddress: '::1', clusterDns: ['fd00:43::53'] })
  })

  test.each([
    [
      ['--cluster-cidr=fd00:42::/56'],
      'cluster-cidr: [fd00:42::/56] and service-cidr: [10.43.0.0/16], must share the same IP version (IPv4, IPv6 or dual-stack)',
    ],
    [
      dual.slice(0, 2),
      'cluster-cidr: [10.42.0.0/16 2001:cafe:42::/56] and node-ip: [192.0.2.7], must share the same IP version (IPv4, IPv6 or dual-stack)',
    ],
    [
      ['--node-ip=2001:db8::7', '--cluster-cidr=10.42.0.0/16', '--service-cidr=10.43.0.0/16'],
      'cluster-cidr: [10.42.0.0/16] and node-ip: [2001:db8::7], must share the same IP version (IPv4, IPv6 or dual-stack)',
    ],
    [
      ['--cluster-cidr=10.42.0.0/16,10.44.0.0/16'],
      'invalid --cluster-cidr "10.42.0.0/16,10.44.0.0/16": want one network, or one IPv4 and one IPv6 network',
    ],
    [
      ['--node-ip=2001:db8::7', '--service-cidr=fd00:43::/64'],
      'invalid --service-cidr "fd00:43::/64": too large, want a prefix of at least 108 bits',
    ],
    [['--flannel-iface=eth9'], '--flannel-iface eth9: there is no such interface with an address'],
  ])('%j are refused', (args, message) => expect(() => config('192.0.2.7', ...args)).toThrow(new ConfigError(message)))

  test('a server without an agent needs no address of each family', () => {
    expect(config('192.0.2.7', ...dual.slice(0, 2), '--disable-agent').clusterCidrs).toHaveLength(2)
  })
})

test("without --node-ip the overlay's interface says which address it is", () => {
  expect(config('192.0.2.7', '--flannel-iface=eth1').nodeIps).toEqual(['198.51.100.7'])
  expect(config('192.0.2.7', '--flannel-iface=eth1', '--node-ip=192.0.2.9').nodeIps).toEqual(['192.0.2.9'])
})
