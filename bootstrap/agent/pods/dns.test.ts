import { expect, test } from '@jest/globals'
import type { PodSpec } from '../../api/types.gen.ts'
import { hostsFile, parseResolvConf, podDns, podDomain, podHostname, sandboxHostname } from './dns.ts'
import { testPod } from './testing.ts'

const host = parseResolvConf(
  '# made by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53 # second\nsearch old\nsearch example.org. corp\noptions ndots:2 rotate\n',
)
const cluster = { servers: ['10.43.0.10'], domain: 'cluster.local' }

test('resolv.conf', () => {
  expect(host).toEqual({
    servers: ['192.0.2.53', '2001:db8::53'],
    searches: ['example.org', 'corp'],
    options: ['ndots:2', 'rotate'],
  })
})

const clusterFirst = {
  servers: ['10.43.0.10'],
  searches: ['ns.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.org', 'corp'],
  options: ['ndots:5'],
}

test.each<[string, Partial<PodSpec>, object]>([
  ['ClusterFirst', {}, clusterFirst],
  ['ClusterFirst on the host', { hostNetwork: true }, host],
  ['ClusterFirstWithHostNet', { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }, clusterFirst],
  ['Default', { dnsPolicy: 'Default' }, host],
  [
    'None with its own',
    {
      dnsPolicy: 'None',
      dnsConfig: {
        nameservers: ['192.0.2.1'],
        searches: ['a'],
        options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
      },
    },
    { servers: ['192.0.2.1'], searches: ['a'], options: ['ndots:1', 'edns0'] },
  ],
  [
    'additions',
    { dnsConfig: { searches: ['cluster.local', 'b'], options: [{ name: 'ndots', value: '3' }] } },
    { ...clusterFirst, searches: [...clusterFirst.searches, 'b'], options: ['ndots:3'] },
  ],
])('%s', (_, spec, expected) => {
  expect(podDns(testPod(spec), cluster, host)).toEqual(expected)
})

test.each<[string, Partial<PodSpec>, string, string | undefined, string]>([
  ['plain', {}, 'p', undefined, 'p'],
  ['named', { hostname: 'h', subdomain: 's' }, 'h', 'h.s.ns.svc.cluster.local', 'h'],
  [
    'as FQDN',
    { hostname: 'h', subdomain: 's', setHostnameAsFQDN: true },
    'h',
    'h.s.ns.svc.cluster.local',
    'h.s.ns.svc.cluster.local',
  ],
  ['too long', { hostname: `${'x'.repeat(62)}-y` }, 'x'.repeat(62), undefined, 'x'.repeat(62)],
])('host name: %s', (_, spec, name, domain, kernel) => {
  const pod = testPod(spec)
  expect([podHostname(pod), podDomain(pod, 'cluster.local'), sandboxHostname(pod, 'cluster.local')]).toEqual([
    name,
    domain,
    kernel,
  ])
})

test('/etc/hosts names the pod and its aliases', () => {
  const text = hostsFile(
    testPod({ hostAliases: [{ ip: '192.0.2.9', hostnames: ['a', 'b'] }] }),
    ['10.42.0.7'],
    'cluster.local',
  )
  expect(text).toMatch(/^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/)
  expect(text).toMatch(/\n10\.42\.0\.7\tp\n\n# Entries added by HostAliases\.\n192\.0\.2\.9\ta\tb\n$/)
})
