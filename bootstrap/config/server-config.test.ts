import { expect, test } from '@jest/globals'
import { serverFlags } from './flags.ts'
import { ConfigError, parseFlags } from './parse.ts'
import { serverConfig } from './server-config.ts'

const machine = { hostname: 'Box', primaryAddress: '192.0.2.7' }
const config = (...args: string[]) => serverConfig(parseFlags(serverFlags, [], args, {}), machine)

test("without flags: K3s' defaults, the machine's name and address", () => {
  expect(config()).toMatchObject({
    dataDir: '/var/lib/rancher/k3s',
    nodeName: 'box',
    nodeIps: ['192.0.2.7'],
    httpsPort: 6443,
    advertiseAddress: '192.0.2.7',
    advertisePort: 6443,
    clusterCidrs: ['10.42.0.0/16'],
    serviceCidrs: ['10.43.0.0/16'],
    clusterDns: ['10.43.0.10'],
    nodePortRange: [30000, 32767],
    kubeconfig: { path: undefined, mode: undefined, name: 'default' },
    defaultLocalStoragePath: '/var/lib/rancher/k3s/storage',
  })
})

test('the advertised address follows the external one; comma lists are split', () => {
  const { advertiseAddress, nodeIps, tlsSans, disabled } = config(
    '--node-ip=11.22.33.44',
    '--node-external-ip=55.66.77.88',
    '--tls-san',
    'a,b',
    '--tls-san=c',
    '--disable',
    'traefik,servicelb',
  )
  expect({ advertiseAddress, nodeIps, tlsSans }).toEqual({
    advertiseAddress: '55.66.77.88',
    nodeIps: ['11.22.33.44'],
    tlsSans: ['a', 'b', 'c'],
  })
  expect([...disabled]).toEqual(['traefik', 'servicelb'])
})

test.each([
  [['--https-listen-port=70000'], 'invalid --https-listen-port 70000: want a port from 1 to 65535'],
  [['--service-cidr=10.43.0.0'], 'invalid --service-cidr "10.43.0.0": want a network such as 10.42.0.0/16'],
  [['--write-kubeconfig-mode=rw'], 'invalid --write-kubeconfig-mode "rw": want an octal mode such as 644'],
  [
    ['--flannel-backend=ipsec'],
    'invalid --flannel-backend "ipsec": want one of none, vxlan, host-gw, wireguard-native',
  ],
  [['--cluster-reset-restore-path=x'], 'invalid flag use; --cluster-reset required with --cluster-reset-restore-path'],
  [
    ['--cluster-reset', '--server', 'https://a:6443'],
    'cannot perform cluster-reset while server URL is set - remove server from configuration before resetting',
  ],
  [
    ['--node-name=no_such'],
    'invalid node name "no_such": want lower case letters, digits, "-" and ".", see --node-name',
  ],
])('%j is refused', (args, message) => {
  expect(() => config(...args)).toThrow(new ConfigError(message))
})

test('taints of the node', () => {
  expect(config('--node-taint=a=b:NoExecute', '--node-taint=c:NoSchedule').nodeTaints).toEqual([
    { key: 'a', value: 'b', effect: 'NoExecute' },
    { key: 'c', effect: 'NoSchedule' },
  ])
  for (const text of ['a=b', 'a=b:Never', ':NoExecute'])
    expect(() => config(`--node-taint=${text}`)).toThrow(`invalid --node-taint "${text}": want key=value:Effect`)
})
