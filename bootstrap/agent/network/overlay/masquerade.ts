/**
 * The overlay's own nftables tables, named and meant as flannel's (flannel-io/flannel pkg/trafficmngr/nftables): pods
 * leave the cluster with their node's address, and are forwarded. Pure.
 */
import { cidrFamily } from '../../../api/cidr.ts'

export interface MasqueradeOptions {
  readonly clusterCidrs: readonly string[]
  /** --flannel-ipv6-masq */
  readonly ipv6: boolean
}

const families = {
  IPv4: { table: 'ip flannel-ipv4', word: 'ip', multicast: '224.0.0.0/4' },
  IPv6: { table: 'ip6 flannel-ipv6', word: 'ip6', multicast: 'ff00::/8' },
} as const

/** A script for `nft -f`: each table is replaced as a whole, at once. */
export function masqueradeScript({ clusterCidrs, ipv6 }: MasqueradeOptions): string {
  const parts = (['IPv4', 'IPv6'] as const).flatMap(family => {
    const { table } = families[family]
    const cluster = clusterCidrs.find(cidr => cidrFamily(cidr) === family)
    const drop = [`add table ${table}`, `delete table ${table}`]
    return cluster === undefined ? drop : [...drop, tableOf(family, cluster, family === 'IPv4' || ipv6)]
  })
  return `${parts.join('\n')}\n`
}

/** Removes both tables. */
export const noMasqueradeScript = masqueradeScript({ clusterCidrs: [], ipv6: false })

function tableOf(family: 'IPv4' | 'IPv6', cluster: string, masquerade: boolean): string {
  const { table, word, multicast } = families[family]
  // What a service's rule has marked gets its address there.
  const leaving = `meta mark & 0x4000 == 0 ${word} saddr ${cluster} ${word} daddr != { ${cluster}, ${multicast} } masquerade fully-random`
  return `table ${table} {
  chain forward {
    type filter hook forward priority filter;
    ${word} saddr ${cluster} accept
    ${word} daddr ${cluster} accept
  }
  chain postrtg {
    type nat hook postrouting priority srcnat;
    ${masquerade ? leaving : ''}
  }
}`
}
