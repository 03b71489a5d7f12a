/** What servers of one cluster must agree on, setting by setting (k3s-io/k3s pkg/daemons/config, CriticalControlArgs). */
import { isIP } from 'node:net'
import { canonicalAddress } from '../pki/certificate.ts'
import { type ControlConfig, type CriticalConfig, cidrOf, type IpNet } from './control-config.ts'

/** The flag by which each is set. */
const flags: { readonly [field in keyof CriticalConfig]: string } = {
  ClusterDNS: 'cluster-dns',
  ClusterDNSs: 'cluster-dns',
  ClusterDomain: 'cluster-domain',
  ClusterIPRange: 'cluster-cidr',
  ClusterIPRanges: 'cluster-cidr',
  ServiceIPRange: 'service-cidr',
  ServiceIPRanges: 'service-cidr',
  DisableCCM: 'disable-cloud-controller',
  DisableHelmController: 'disable-helm-controller',
  DisableNPC: 'disable-network-policy',
  DisableServiceLB: 'disable servicelb',
  EncryptSecrets: 'secrets-encryption',
  EncryptProvider: 'secrets-encryption-provider',
  EmbeddedRegistry: 'embedded-registry',
  FlannelBackend: 'flannel-backend',
  FlannelIPv6Masq: 'flannel-ipv6-masq',
  FlannelExternalIP: 'flannel-external-ip',
  EgressSelectorMode: 'egress-selector-mode',
  SupervisorMetrics: 'supervisor-metrics',
}

export interface Mismatch {
  readonly flag: string
  readonly here: string
  readonly there: string
}

/** Where `there`, as a server sent it, differs from ours. What an older server does not know is no difference. */
export function mismatches(here: ControlConfig, there: Partial<ControlConfig>): readonly Mismatch[] {
  const found = new Map<string, Mismatch>()
  for (const field of Object.keys(flags) as (keyof CriticalConfig)[]) {
    const theirs = there[field]
    if (theirs === undefined || theirs === null || theirs === '') continue
    const pair = { flag: flags[field], here: textOf(here[field]), there: textOf(theirs) }
    if (pair.here !== pair.there) found.set(pair.flag, pair)
  }
  return [...found.values()]
}

/** One line for the user. */
export function mismatchText(list: readonly Mismatch[]): string {
  const each = list.map(({ flag, here, there }) => `${flag} (here ${here}, there ${there})`)
  return `critical configuration value mismatch between servers: ${each.join(', ')}`
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',')
  if (typeof value === 'object' && value !== null) return cidrOf(value as IpNet)
  return typeof value === 'string' && isIP(value) !== 0 ? canonicalAddress(value) : String(value)
}
