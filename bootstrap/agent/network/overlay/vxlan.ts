/**
 * The vxlan backend (flannel-io/flannel pkg/backend/vxlan): a device per family that learns nothing by itself; per other
 * node a route, a neighbour and a forwarding entry.
 */
import type { Family } from '../../../api/cidr.ts'
import { type Device, deviceNamed, removeDevices } from '../devices.ts'
import type { Backend, BackendDeps, Peer, Side } from './backend.ts'
import { applyCommands, type Entries, entriesOf, entryChanges } from './entries.ts'

const vni = 1
const port = 8472
const devices = { IPv4: `flannel.${vni}`, IPv6: `flannel-v6.${vni}` } as const

/** As flannel writes it. */
interface VxlanData {
  readonly VNI: number
  readonly VtepMAC: string
}

export function vxlan({ exec, bytes, log }: BackendDeps): Backend {
  /** What the kernel has, once that is known. */
  const known = new Map<Family, Entries>()
  return {
    name: 'vxlan',
    type: 'vxlan',
    overhead: family => (family === 'IPv4' ? 50 : 70),
    device: family => devices[family],
    async open(side, announced) {
      const name = devices[side.family]
      const mac = macOf(announced)
      const there = await deviceNamed(exec, name)
      const fits = there !== undefined && isOurs(there, side)
      if (there && !fits) log.info({ device: name }, 'the overlay device is made anew: it was made for something else')
      const address = fits ? there.address : (mac ?? newMac(bytes(6)))
      if (!fits) known.delete(side.family)
      await exec('ip', ['-batch', '-'], deviceScript(name, side, address, there, fits))
      return { VNI: vni, VtepMAC: address } satisfies VxlanData
    },
    async reach(side, peers) {
      const device = devices[side.family]
      const from = known.get(side.family) ?? (await entriesOf(exec, side.family, device))
      known.delete(side.family)
      const to = entriesFor(device, peers)
      await applyCommands(exec, entryChanges(from, to, device))
      known.set(side.family, to)
    },
    doubt: () => known.clear(),
    async remove({ family }) {
      known.delete(family)
      await removeDevices(exec, [devices[family]])
    },
  }
}

/** The kernel lets only the local address and the MTU be changed. */
function isOurs({ kind, data }: Device, side: Side): boolean {
  return (
    kind === 'vxlan' &&
    data.id === vni &&
    data.port === port &&
    data.link === side.device &&
    data.learning === false &&
    (side.family === 'IPv4' ? data.local : data.local6) !== undefined
  )
}

function deviceScript(name: string, side: Side, mac: string, there: Device | undefined, fits: boolean): string {
  const mtu = side.mtu - (side.family === 'IPv4' ? 50 : 70)
  const bits = side.family === 'IPv4' ? 32 : 128
  const [subnet] = side.subnet.split('/')
  const made = `type vxlan id ${vni} local ${side.address} dev ${side.device} dstport ${port} nolearning`
  const wrong = (there?.addresses ?? []).filter(({ family, local }) => family === side.family && local !== subnet)
  const lines = fits
    ? [
        ...((side.family === 'IPv4' ? there!.data.local : there!.data.local6) === side.address
          ? []
          : [`link set ${name} type vxlan id ${vni} local ${side.address} dev ${side.device}`]),
        ...wrong.map(({ local, bits }) => `addr del ${local}/${bits} dev ${name}`),
      ]
    : [...(there ? [`link del ${name}`] : []), `link add ${name} address ${mac} ${made}`]
  // A route between nodes has the pod network's first address as its next hop; the device carries it for this node.
  return `${[...lines, `link set ${name} mtu ${mtu} up`, `addr replace ${subnet}/${bits} dev ${name}`].join('\n')}\n`
}

function entriesFor(device: string, peers: readonly Peer[]): Entries {
  const usable = peers.flatMap(peer => {
    const mac = macOf(peer.data)
    return mac === undefined ? [] : [{ ...peer, mac, gateway: peer.subnet.split('/')[0]! }]
  })
  return {
    routes: new Map(usable.map(({ subnet, gateway }) => [subnet, `via ${gateway} dev ${device} onlink`])),
    neighbours: new Map(usable.map(({ gateway, mac }) => [gateway, mac])),
    forwarding: new Map(usable.map(({ mac, publicIp }) => [mac, publicIp])),
  }
}

/** In the kernel's spelling; undefined for data of another backend or of nobody. */
function macOf(data: unknown): string | undefined {
  const mac = (data as Partial<VxlanData> | undefined)?.VtepMAC
  return typeof mac === 'string' && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac) ? mac.toLowerCase() : undefined
}

/** A unicast address that no manufacturer gives out. */
function newMac(bytes: Buffer): string {
  const [first = 0, ...rest] = bytes
  return [(first & 0xfe) | 0x02, ...rest].map(byte => byte.toString(16).padStart(2, '0')).join(':')
}
