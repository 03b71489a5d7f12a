import { expect, test } from '@jest/globals'
import { reservedPorts } from './reserved-ports.ts'

const always = ['6443/TCP', '10250/TCP']

test.each([
  ['vxlan', ['10.42.0.0/16', 'fd00:42::/56'], false, ['8472/UDP']],
  ['wireguard-native', ['10.42.0.0/16', 'fd00:42::/56'], false, ['51820/UDP', '51821/UDP']],
  ['wireguard-native', ['fd00:42::/56'], false, ['51821/UDP']],
  ['host-gw', ['10.42.0.0/16'], false, []],
  ['none', ['10.42.0.0/16'], true, ['2379/TCP', '2380/TCP']],
])('%s over %j, etcd %s: also %j', (flannelBackend, clusterCidrs, etcd, expected) => {
  const reserved = reservedPorts({ flannelBackend, clusterCidrs, httpsPort: 6443 }, etcd)
  expect(reserved.map(({ port }) => port)).toEqual([...always, ...expected])
})
