import type { NetworkInterfaceInfo } from 'node:os'
import { expect, test } from '@jest/globals'
import { machineAddresses } from './machine-addresses.ts'

const info = (address: string) => ({ address, internal: address === '127.0.0.1' }) as NetworkInterfaceInfo
const interfaces = () => ({
  lo: [info('127.0.0.1')],
  docker0: [info('172.17.0.1')],
  eth0: [info('10.0.0.7'), info('fe80::7')],
  eth1: [info('192.0.2.7'), info('2001:db8::7')],
  'flannel.1': [info('10.42.0.0')],
})
const header = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n'
const route = (device: string, destination: string, mask: string, metric: number) =>
  `${device}\t${destination}\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`
const everywhere = (device: string, metric: number) => route(device, '00000000', '00000000', metric)

test.each([
  ['no default route', '', ['10.0.0.7', '192.0.2.7', '2001:db8::7']],
  ['one', route('eth0', '0000000A', '000000FF', 0) + everywhere('eth1', 0), ['192.0.2.7', '2001:db8::7', '10.0.0.7']],
  ['two', everywhere('eth1', 200) + everywhere('eth0', 100), ['10.0.0.7', '192.0.2.7', '2001:db8::7']],
])('with %s', (_, routes, expected) => {
  expect(machineAddresses(undefined, { interfaces, routes: () => header + routes })).toEqual(expected)
})

test('of one interface, whatever it is', () => {
  const routes = () => header + everywhere('eth1', 0)
  expect(machineAddresses('docker0', { interfaces, routes })).toEqual(['172.17.0.1'])
  expect(machineAddresses('eth9', { interfaces, routes })).toEqual([])
})
