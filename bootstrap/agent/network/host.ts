/** What the host's network needs before pods can use it: kernel switches, the bridge, a route to service addresses. */
import { existsSync, writeFileSync } from 'node:fs'
import { bridgeName } from './cni.ts'
import type { Exec } from './exec.ts'

/** Routing between pods, NAT for bridged packets (a pod and its service on one bridge), node ports on loopback. */
const switches: readonly (readonly [path: string, value: string])[] = [
  ['net/ipv4/ip_forward', '1'],
  ['net/bridge/bridge-nf-call-iptables', '1'],
  ['net/ipv4/conf/all/route_localnet', '1'],
]

/** Sets the kernel's switches; returns those this kernel does not have or let us set. */
export function setSwitches(root = '/proc/sys'): string[] {
  return switches.flatMap(([path, value]) => {
    try {
      if (!existsSync(`${root}/${path}`)) return [path]
      writeFileSync(`${root}/${path}`, value)
      return []
    } catch {
      return [path]
    }
  })
}

/** The gateway address of a pod network: its first one, with the prefix length. */
export function gatewayOf(podCidr: string): string {
  const [address = '', bits = '24'] = podCidr.split('/')
  const parts = address.split('.').map(Number)
  return `${parts[0]}.${parts[1]}.${parts[2]}.${(parts[3] ?? 0) + 1}/${bits}`
}

/**
 * Makes the bridge ahead of the first pod, so that embedded pods can have addresses on it, and gives packets to service
 * addresses a way out on a machine without a default route (they are rewritten before they leave, but need a route first).
 */
export async function prepareBridge(
  exec: Exec,
  options: { podCidr: string; serviceCidr: string; nodeIp: string; mtu: number },
): Promise<void> {
  const gateway = gatewayOf(options.podCidr)
  const script = [
    ...((await interfaceExists(exec, bridgeName)) ? [] : [`link add ${bridgeName} type bridge`]),
    `link set ${bridgeName} mtu ${options.mtu} up`,
    `addr replace ${gateway} brd + dev ${bridgeName}`,
  ]
  for (const line of script) await exec('ip', line.split(' '))
  const defaults = await exec('ip', ['-4', 'route', 'show', 'default'])
  if (defaults.trim() === '')
    await exec('ip', ['route', 'replace', options.serviceCidr, 'dev', bridgeName, 'src', options.nodeIp])
}

/** Asks the kernel: /sys may be that of another network namespace. */
async function interfaceExists(exec: Exec, name: string): Promise<boolean> {
  const links = JSON.parse(await exec('ip', ['-j', 'link', 'show'])) as { ifname: string }[]
  return links.some(({ ifname }) => ifname === name)
}

/** The MTU of the interface that carries an address; 1500 when unknown. */
export async function mtuOf(exec: Exec, address: string): Promise<number> {
  const links = JSON.parse(await exec('ip', ['-j', 'addr', 'show'])) as {
    mtu: number
    addr_info: { local: string }[]
  }[]
  return links.find(link => link.addr_info.some(info => info.local === address))?.mtu ?? 1500
}
