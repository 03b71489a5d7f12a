/** The addresses by which other machines reach this one, the likeliest first. */
import { readFileSync } from 'node:fs'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

export interface AddressSources {
  readonly interfaces?: typeof networkInterfaces
  /** The kernel's table of IPv4 routes. */
  readonly routes?: () => string
}

/** Devices of pods, of the overlay and of container engines. */
const ofPods = /^(cni0|flannel|veth|docker|br-|virbr|cali|lxc)/

const unreachable = /^(169\.254\.|fe[89ab])/i

/** Global addresses; those of the default route's interface come first, as upstream chooses a node's address. */
export function machineAddresses(
  iface?: string,
  { interfaces = networkInterfaces, routes }: AddressSources = {},
): string[] {
  const all = Object.entries(interfaces()) as [string, NetworkInterfaceInfo[]][]
  const main = defaultDevice(routes ?? (() => readFileSync('/proc/net/route', 'utf8')))
  return all
    .filter(([name]) => (iface === undefined ? !ofPods.test(name) : name === iface))
    .sort(([a], [b]) => Number(b === main) - Number(a === main))
    .flatMap(([, list]) => list)
    .filter(({ address, internal }) => !internal && !unreachable.test(address))
    .map(({ address }) => address)
}

/** That of the route to everywhere with the lowest metric. */
function defaultDevice(routes: () => string): string | undefined {
  try {
    const found = routes()
      .split('\n')
      .slice(1)
      .map(line => line.split(/\s+/))
      .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
      .sort((a, b) => Number(a[6]) - Number(b[6]))
    return found[0]?.[0]
  } catch {
    return undefined
  }
}
