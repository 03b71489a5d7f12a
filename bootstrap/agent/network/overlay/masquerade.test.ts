import { expect, test } from '@jest/globals'
import { masqueradeScript } from './masquerade.ts'

const both = ['10.42.0.0/16', 'fd00:42::/56']
const masquerading = (script: string) => script.match(/ip6? saddr \S+ ip6? daddr .*masquerade/g) ?? []

test('IPv4 leaves the cluster with the address of the node, IPv6 as it is', () => {
  const rules = masquerading(masqueradeScript({ clusterCidrs: both, ipv6: false }))
  expect(rules).toEqual(['ip saddr 10.42.0.0/16 ip daddr != { 10.42.0.0/16, 224.0.0.0/4 } masquerade'])
})

test('IPv6 does, too, when that was asked for', () => {
  const rules = masquerading(masqueradeScript({ clusterCidrs: both, ipv6: true }))
  expect(rules[1]).toBe('ip6 saddr fd00:42::/56 ip6 daddr != { fd00:42::/56, ff00::/8 } masquerade')
})

test('a family that the cluster has not is left alone', () => {
  expect(masqueradeScript({ clusterCidrs: ['10.42.0.0/16'], ipv6: true })).not.toContain('ip6')
})
