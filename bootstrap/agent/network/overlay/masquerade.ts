/**
 * The overlay's own nftables tables, named and meant as flannel's (flannel-io/flannel pkg/trafficmngr/nftables): pods
 * leave the cluster with their node's address, and are forwarded. Pure.
 */
import { cidrFamily, type Family } from '../../../api/cidr.ts'

export interface MasqueradeOptions {
  readonly clusterCidrs: readonly string[]
  /** --flannel-ipv6-masq */
  readonly ipv6: boolean
}

const families = {
  IPv4: { table: 'ip flannel-ipv4', word: 'ip', multicast: '224.0.0.0/4' },
  IPv6: { table: 'ip6 flannel-ipv6', word: 'ip6', multicast: 'ff00::/8' },
} as const

/** A script for `nft -f`: each table of the cluster's families is replaced as a whole, at once. */
export function masqueradeScript({ clusterCidrs, ipv6 }: MasqueradeOptions): string {
  const parts = clusterCidrs.map(cidr => {
    const family = cidrFamily(cidr)!
    return `${dropTable(family)}\n${tableOf(family, cidr, family === 'IPv4' || ipv6)}`
  })
  return `${parts.join('\n')}\n`
}

/** Removes these tables, whether or not they are there. */
export const noMasqueradeScript = (clusterCidrs: readonly string[]): string =>
  `${clusterCidrs.map(cidr => dropTable(cidrFamily(cidr)!)).join('\n')}\n`

const dropTable = (family: Family): string =>
  `add table ${families[family].table}\ndelete table ${families[family].table}`

function tableOf(family: Family, cluster: string, masquerade: boolean): string {
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
