/** What the host's network needs before pods can use it: kernel switches, the bridge, a route to service addresses. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cidrFamily, type Family, nthAddress } from '../../api/cidr.ts'
import { bridgeName } from './cni.ts'
import type { Exec } from './exec.ts'

type Switch = readonly [path: string, value: string]

/** Routing between pods, NAT for bridged packets (a pod and its service on one bridge), node ports on loopback. */
const switches: { readonly [family in Family]: readonly Switch[] } = {
  IPv4: [
    ['net/ipv4/ip_forward', '1'],
    ['net/bridge/bridge-nf-call-iptables', '1'],
    ['net/ipv4/conf/all/route_localnet', '1'],
  ],
  IPv6: [
    ['net/ipv6/conf/all/forwarding', '1'],
    ['net/bridge/bridge-nf-call-ip6tables', '1'],
  ],
}

/** Sets the kernel's switches; returns those this kernel does not have or let us set. */
export function setSwitches(families: readonly Family[], root = '/proc/sys'): string[] {
  return families
    .flatMap(family => switches[family])
    .flatMap(([path, value]) => {
      try {
        if (!existsSync(`${root}/${path}`)) return [path]
        if (readFileSync(`${root}/${path}`, 'utf8').trim() !== value) writeFileSync(`${root}/${path}`, value)
        return []
      } catch {
        return [path]
      }
    })
}

/** The gateway address of a pod network: its first one, with the prefix length. */
export function gatewayOf(podCidr: string): string {
  return `${nthAddress(podCidr, 1)}/${podCidr.split('/')[1]}`
}

export interface BridgeOptions {
  readonly podCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
  readonly nodeIps: readonly string[]
  readonly mtu: number
}

/**
 * Makes the bridge ahead of the first pod, so that embedded pods can have addresses on it, and gives packets to service
 * addresses a way out on a machine without a default route (they are rewritten before they leave, but need a route first).
 */
export async function prepareBridge(exec: Exec, options: BridgeOptions): Promise<void> {
  const script = [
    ...((await interfaceExists(exec, bridgeName)) ? [] : [`link add ${bridgeName} type bridge`]),
    `link set ${bridgeName} mtu ${options.mtu} up`,
    ...options.podCidrs.map(cidr =>
      cidrFamily(cidr) === 'IPv4'
        ? `addr replace ${gatewayOf(cidr)} brd + dev ${bridgeName}`
        : `addr replace ${gatewayOf(cidr)} dev ${bridgeName} nodad`,
    ),
  ]
  for (const line of script) await exec('ip', line.split(' '))
  for (const serviceCidr of options.serviceCidrs) await routeToServices(exec, serviceCidr, options.nodeIps)
}

async function routeToServices(exec: Exec, serviceCidr: string, nodeIps: readonly string[]): Promise<void> {
  const family = cidrFamily(serviceCidr)
  const nodeIp = nodeIps.find(address => cidrFamily(address) === family)
  const defaults = await exec('ip', [family === 'IPv4' ? '-4' : '-6', 'route', 'show', 'default'])
  if (defaults.trim() !== '' || nodeIp === undefined) return
  await exec('ip', ['route', 'replace', serviceCidr, 'dev', bridgeName, 'src', nodeIp])
}

/** Asks the kernel: /sys may be that of another network namespace. */
async function interfaceExists(exec: Exec, name: string): Promise<boolean> {
  const links = JSON.parse(await exec('ip', ['-j', 'link', 'show'])) as { ifname: string }[]
  return links.some(({ ifname }) => ifname === name)
}
