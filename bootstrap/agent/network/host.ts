/** What the host's network needs before pods can use it: kernel switches, the bridge, a route to service addresses. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cidrFamily, type Family, nthAddress } from '../../api/cidr.ts'
import { bridgeName } from './cni.ts'
import { deviceNamed } from './devices.ts'
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
  if (families.includes('IPv6')) keepRouters(root)
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

/** A machine that forwards ignores routers' advertisements unless told twice: its default route would end with its lease. */
function keepRouters(root: string): void {
  const folder = `${root}/net/ipv6/conf`
  const devices = existsSync(folder) ? readdirSync(folder) : []
  for (const device of devices.filter(name => !/^(all|default|lo|cni0|flannel.*|veth.*)$/.test(name))) {
    const path = `${folder}/${device}/accept_ra`
    try {
      if (readFileSync(path, 'utf8').trim() === '1') writeFileSync(path, '2')
    } catch {
      // The device has just gone, or this machine does not let us: it keeps what it has.
    }
  }
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
 * Makes the bridge ahead of the first pod, or what it lacks, so that embedded pods can have addresses on it, and gives
 * packets to service addresses a way out on a machine without a default route (they are rewritten before they leave, but
 * need a route first). Gateways of other pod networks are taken off.
 */
export async function prepareBridge(exec: Exec, options: BridgeOptions): Promise<void> {
  const bridge = await deviceNamed(exec, bridgeName)
  const gateways = options.podCidrs.map(gatewayOf)
  const present = (bridge?.addresses ?? []).map(({ local, bits }) => `${local}/${bits}`)
  const former = present.filter(address => !/\/(32|128)$/.test(address) && !gateways.includes(address))
  const script = [
    ...(bridge ? [] : [`link add ${bridgeName} type bridge`]),
    ...(bridge?.mtu === options.mtu && bridge.up ? [] : [`link set ${bridgeName} mtu ${options.mtu} up`]),
    ...former.map(address => `addr del ${address} dev ${bridgeName}`),
    ...gateways
      .filter(gateway => !present.includes(gateway))
      .map(gateway => `addr add ${gateway} ${cidrFamily(gateway) === 'IPv6' ? 'nodad' : 'brd +'} dev ${bridgeName}`),
  ]
  if (script.length > 0) await exec('ip', ['-batch', '-'], `${script.join('\n')}\n`)
  for (const serviceCidr of options.serviceCidrs) await routeToServices(exec, serviceCidr, options.nodeIps)
}

async function routeToServices(exec: Exec, serviceCidr: string, nodeIps: readonly string[]): Promise<void> {
  const family = cidrFamily(serviceCidr)
  const nodeIp = nodeIps.find(address => cidrFamily(address) === family)
  const defaults = await exec('ip', [family === 'IPv4' ? '-4' : '-6', 'route', 'show', 'default'])
  if (defaults.trim() !== '' || nodeIp === undefined) return
  await exec('ip', ['route', 'replace', serviceCidr, 'dev', bridgeName, 'src', nodeIp])
}
