/** Which interface packets to other nodes leave by. Pure but for the questions to the kernel. */
import type { Family } from '../../../api/cidr.ts'
import { type Device, listDevices } from '../devices.ts'
import type { Exec } from '../exec.ts'

export interface Underlay {
  readonly device: string
  readonly address: string
  readonly mtu: number
}

/**
 * The interface called `name`; else the one that has `nodeIp`; else, behind address translation, the one of the default
 * route. Undefined when it has no address of this family.
 */
export async function underlayOf(
  exec: Exec,
  family: Family,
  nodeIp: string,
  name: string | undefined,
): Promise<Underlay | undefined> {
  const devices = await listDevices(exec)
  const found =
    name !== undefined
      ? devices.find(device => device.name === name)
      : (devices.find(({ addresses }) => addresses.some(({ local }) => local === nodeIp)) ??
        (await defaultDevice(exec, family, devices)))
  const own = found?.addresses.filter(address => address.family === family).map(({ local }) => local) ?? []
  const address = own.includes(nodeIp) ? nodeIp : own[0]
  return found && address !== undefined ? { device: found.name, address, mtu: found.mtu } : undefined
}

async function defaultDevice(exec: Exec, family: Family, devices: readonly Device[]): Promise<Device | undefined> {
  const text = await exec('ip', [family === 'IPv4' ? '-4' : '-6', '-j', 'route', 'show', 'default'])
  const [route] = text.trim() === '' ? [] : (JSON.parse(text) as { dev?: string }[])
  return devices.find(({ name }) => name === route?.dev)
}
