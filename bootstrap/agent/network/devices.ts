/** Network devices of this machine, as `ip` tells of them. */
import type { Family } from '../../api/cidr.ts'
import type { Exec } from './exec.ts'

export interface Device {
  readonly name: string
  readonly mtu: number
  /** MAC, in lower case. */
  readonly address: string
  readonly up: boolean
  /** "vxlan", "bridge", ...; "" for hardware. */
  readonly kind: string
  /** What the kind has of its own. */
  readonly data: {
    readonly id?: number
    readonly port?: number
    readonly link?: string
    readonly local?: string
    readonly local6?: string
    readonly learning?: boolean
  }
  /** Those that other machines could reach, in the kernel's order. */
  readonly addresses: readonly { readonly family: Family; readonly local: string; readonly bits: number }[]
}

interface Link {
  readonly ifname: string
  readonly mtu: number
  readonly address?: string
  readonly flags: readonly string[]
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Device['data'] }
  readonly addr_info?: readonly AddressInfo[]
}

interface AddressInfo {
  readonly family: string
  readonly local: string
  readonly prefixlen: number
  readonly scope: string
}

export async function listDevices(exec: Exec): Promise<Device[]> {
  return (JSON.parse(await exec('ip', ['-j', '-d', 'addr', 'show'])) as Partial<Link>[])
    .filter((link): link is Link => link.ifname !== undefined)
    .map(link => ({
      name: link.ifname,
      mtu: link.mtu,
      address: (link.address ?? '').toLowerCase(),
      up: link.flags.includes('UP'),
      kind: link.linkinfo?.info_kind ?? '',
      data: link.linkinfo?.info_data ?? {},
      addresses: (link.addr_info ?? []).filter(({ scope }) => scope === 'global').map(addressOf),
    }))
}

const addressOf = ({ family, local, prefixlen }: AddressInfo) => ({
  family: family === 'inet6' ? ('IPv6' as const) : ('IPv4' as const),
  local,
  bits: prefixlen,
})

export async function deviceNamed(exec: Exec, name: string): Promise<Device | undefined> {
  return (await listDevices(exec)).find(device => device.name === name)
}

/** Those that are not there are not missed. */
export async function removeDevices(exec: Exec, names: readonly string[]): Promise<void> {
  const there = (await listDevices(exec)).filter(({ name }) => names.includes(name))
  if (there.length > 0) await exec('ip', ['-batch', '-'], there.map(({ name }) => `link del ${name}\n`).join(''))
}
