import { expect, test } from '@jest/globals'
import type { Pod } from '../api/types.gen.ts'
import { egressPolicy } from './policy.ts'
import { authorityOf, parseAuthority } from './protocol.ts'

function pod(spec: object, status: object = {}): Pod {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [], ...spec }, status }
}

const hostPorts = [{ containerPort: 9100 }, { containerPort: 53, protocol: 'UDP' }]
const pods = [
  pod({}, { podIPs: [{ ip: '10.42.1.5' }, { ip: 'fd00:42::5' }] }),
  pod({ hostNetwork: true, containers: [{ name: 'c', ports: hostPorts }] }, { podIPs: [{ ip: '192.0.2.1' }] }),
]

function allowed(mode: string, target: string): boolean {
  const policy = egressPolicy({
    mode,
    kubeletPorts: [10250, 10010],
    nodeIps: () => ['192.0.2.1', '2001:db8::1'],
    clusterCidrs: ['10.42.0.0/16', 'fd00:42::/56'],
    pods: () => pods,
  })
  return policy(parseAuthority(target)!) !== undefined
}

test.each([
  // target, in which modes
  ['127.0.0.1:10250', 'agent cluster pod disabled'],
  ['127.0.0.1:10010', 'agent cluster pod disabled'],
  ['[::1]:10250', 'agent cluster pod disabled'],
  ['127.0.0.1:6443', ''],
  ['127.0.0.1:22', ''],
  ['localhost:22', ''],
  ['example.com:443', ''],
  ['192.0.2.1:22', 'cluster'],
  ['192.0.2.1:9100', 'cluster pod'],
  ['192.0.2.1:53', 'cluster'],
  ['192.0.2.2:9100', ''],
  ['[2001:db8::1]:9100', 'cluster pod'],
  ['10.42.1.5:8080', 'cluster pod'],
  ['[fd00:42::5]:8080', 'cluster pod'],
  ['10.42.1.6:8080', 'cluster'],
  ['[fd00:42::6]:8080', 'cluster'],
  ['10.43.0.1:443', ''],
  ['169.254.169.254:80', ''],
])('%s is for the modes "%s"', (target, modes) => {
  const found = ['agent', 'cluster', 'pod', 'disabled'].filter(mode => allowed(mode, target))
  expect(found.join(' ')).toBe(modes)
})

test('a kubelet that listens on one address is dialled there', () => {
  const policy = egressPolicy({
    mode: 'agent',
    kubeletPorts: [10250],
    kubeletAddress: '192.0.2.1',
    nodeIps: () => [],
    clusterCidrs: [],
    pods: () => [],
  })
  expect(policy({ host: '127.0.0.1', port: 10250 })).toEqual({ host: '192.0.2.1', port: 10250 })
})

test.each([
  ['10.42.0.1:80', { host: '10.42.0.1', port: 80 }],
  ['[fd00::1]:80', { host: 'fd00::1', port: 80 }],
])('%s', (text, target) => {
  expect(parseAuthority(text)).toEqual(target)
  expect(authorityOf(target)).toBe(text)
})

test.each(['', ':80', 'a', 'a:', 'a:0', 'a:65536', 'a:b', 'fd00::1:80', '[a]:80x', 'a:80:90', '[127.0.0.1:80'])(
  '%j is no target',
  text => expect(parseAuthority(text)).toBeUndefined(),
)
