/** A pod's resolv.conf content and /etc/hosts file. */
import type { HostAlias } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { DNSConfig } from '../runtime.ts'

export interface ClusterDns {
  readonly servers: readonly string[]
  readonly domain: string
}

/** nameserver, search and options lines of a resolv.conf; the last search line counts. */
export function parseResolvConf(text: string): DNSConfig {
  const servers: string[] = []
  const options: string[] = []
  let searches: string[] = []
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'nameserver' && values[0]) servers.push(values[0])
    else if (keyword === 'search')
      searches = values.map(domain => (domain === '.' ? domain : domain.replace(/\.$/, '')))
    else if (keyword === 'options') options.push(...values)
  }
  return { servers, searches, options }
}

const limits = { servers: 3, searches: 32 }

/** The DNS configuration by the pod's dnsPolicy and dnsConfig; `host` is the node's own. */
export function podDns(pod: Pod, cluster: ClusterDns, host: DNSConfig): DNSConfig {
  const base = byPolicy(pod, cluster, host)
  const own = pod.spec.dnsConfig
  const options = new Map(base.options.map(option => [option.split(':')[0]!, option]))
  for (const { name = '', value } of own?.options ?? [])
    options.set(name, value === undefined ? name : `${name}:${value}`)
  return {
    servers: unique([...base.servers, ...(own?.nameservers ?? [])]).slice(0, limits.servers),
    searches: unique([...base.searches, ...(own?.searches ?? [])]).slice(0, limits.searches),
    options: [...options.values()],
  }
}

function byPolicy(pod: Pod, cluster: ClusterDns, host: DNSConfig): DNSConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  if (policy === 'None') return { servers: [], searches: [], options: [] }
  const usesCluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec.hostNetwork)
  if (!usesCluster || cluster.servers.length === 0) return host
  const { domain } = cluster
  const searches = [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain, ...host.searches]
  return { servers: cluster.servers, searches, options: ['ndots:5'] }
}

const unique = (items: readonly string[]): string[] => [...new Set(items)]

/** The pod's host name, at most 63 characters. */
export function podHostname(pod: Pod): string {
  const name = pod.spec.hostnameOverride ?? pod.spec.hostname ?? pod.metadata.name ?? ''
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** "<hostname>.<subdomain>.<namespace>.svc.<domain>", or undefined without a subdomain. */
export function podDomain(pod: Pod, clusterDomain: string): string | undefined {
  const { subdomain } = pod.spec
  return subdomain ? `${podHostname(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : undefined
}

/** The kernel's host name inside the pod. */
export function sandboxHostname(pod: Pod, clusterDomain: string): string {
  const domain = podDomain(pod, clusterDomain)
  return pod.spec.setHostnameAsFQDN && domain ? domain : podHostname(pod)
}

/** /etc/hosts of a pod with its own network. */
export function hostsFile(pod: Pod, podIps: readonly string[], clusterDomain: string): string {
  const domain = podDomain(pod, clusterDomain)
  const names = domain ? `${domain}\t${podHostname(pod)}` : podHostname(pod)
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIps.map(ip => `${ip}\t${names}`),
  ]
  return `${lines.join('\n')}\n${aliasLines(pod.spec.hostAliases)}`
}

/** /etc/hosts of a pod on the host's network: the node's file and the aliases. */
export function hostNetworkHostsFile(pod: Pod, nodeHosts: string): string {
  return `# Kubernetes-managed hosts file (host network).\n${nodeHosts}${aliasLines(pod.spec.hostAliases)}`
}

function aliasLines(aliases: readonly HostAlias[] | undefined): string {
  if (!aliases || aliases.length === 0) return ''
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`)
  return `\n# Entries added by HostAliases.\n${lines.join('\n')}\n`
}
