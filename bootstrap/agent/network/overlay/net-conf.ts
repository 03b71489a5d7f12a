/** Files of flannel's that others read: its configuration, and what a CNI plugin must know (K3s: pkg/agent/flannel). */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cidrFamily, nthAddress } from '../../../api/cidr.ts'

const netConfPath = (dataDir: string) => join(dataDir, 'agent/etc/flannel/net-conf.json')

/** The type of the backend that was used last on this node, as flannel calls it; undefined for none. */
export function lastBackend(dataDir: string): string | undefined {
  try {
    const conf = JSON.parse(readFileSync(netConfPath(dataDir), 'utf8')) as { Backend?: { Type?: string } }
    return conf.Backend?.Type
  } catch {
    return undefined
  }
}

export function writeNetConf(dataDir: string, clusterCidrs: readonly string[], type: string): void {
  const ipv4 = clusterCidrs.find(cidr => cidrFamily(cidr) === 'IPv4')
  const ipv6 = clusterCidrs.find(cidr => cidrFamily(cidr) === 'IPv6')
  const conf = {
    Network: ipv4 ?? '0.0.0.0/0',
    EnableIPv6: ipv6 !== undefined,
    EnableIPv4: ipv4 !== undefined,
    IPv6Network: ipv6 ?? '::/0',
    Backend: { Type: type, ...(type === 'wireguard' ? { PersistentKeepaliveInterval: 25 } : {}) },
  }
  replaceFile(netConfPath(dataDir), `${JSON.stringify(conf, null, '\t')}\n`)
}

export function forgetNetConf(dataDir: string): void {
  rmSync(netConfPath(dataDir), { force: true })
}

/** /run/flannel/subnet.env. `subnets` are this node's pod CIDRs. */
export function writeSubnetEnv(
  runDir: string,
  settings: { clusterCidrs: readonly string[]; subnets: readonly string[]; mtu: number },
): void {
  const lines = [
    ...variables('', settings, 'IPv4'),
    ...variables('IPV6_', settings, 'IPv6'),
    `FLANNEL_MTU=${settings.mtu}`,
    'FLANNEL_IPMASQ=true',
  ]
  replaceFile(join(runDir, 'subnet.env'), `${lines.join('\n')}\n`)
}

function variables(
  infix: string,
  { clusterCidrs, subnets }: { clusterCidrs: readonly string[]; subnets: readonly string[] },
  family: 'IPv4' | 'IPv6',
): string[] {
  const cluster = clusterCidrs.find(cidr => cidrFamily(cidr) === family)
  const subnet = subnets.find(cidr => cidrFamily(cidr) === family)
  if (cluster === undefined || subnet === undefined) return []
  const first = `${nthAddress(subnet, 1)}/${subnet.split('/')[1]}`
  return [`FLANNEL_${infix}NETWORK=${cluster}`, `FLANNEL_${infix}SUBNET=${first}`]
}

/** Whole or not at all; not when nothing would change. */
function replaceFile(path: string, text: string): void {
  try {
    if (readFileSync(path, 'utf8') === text) return
  } catch {
    mkdirSync(dirname(path), { recursive: true })
  }
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}
