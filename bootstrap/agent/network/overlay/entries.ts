/** Routes, neighbours and forwarding entries of one device: what is there, what should be, and the commands between. */
import type { Family } from '../../../api/cidr.ts'
import type { Exec } from '../exec.ts'

export interface Entries {
  /** Destination to what follows it in `ip route`, e.g. "via 10.42.1.0 dev flannel.1 onlink". */
  readonly routes: ReadonlyMap<string, string>
  /** Address to MAC. */
  readonly neighbours: ReadonlyMap<string, string>
  /** MAC to the node's address. */
  readonly forwarding: ReadonlyMap<string, string>
}

export const noEntries: Entries = { routes: new Map(), neighbours: new Map(), forwarding: new Map() }

interface Route {
  readonly dst: string
  readonly gateway?: string
  readonly dev?: string
  readonly flags?: readonly string[]
  readonly protocol?: string
}

/**
 * The routes with a gateway, of a kind that only administrators and this program make, without those that a routing daemon
 * or the kernel made.
 */
export async function gatewayRoutes(exec: Exec, family: Family, device?: string): Promise<ReadonlyMap<string, string>> {
  const of = device === undefined ? [] : ['dev', device]
  const found = await list<Route>(exec, 'ip', [familyFlag(family), '-j', 'route', 'show', 'proto', 'boot', ...of])
  const ours = found.filter(route => route.gateway !== undefined && route.dst !== 'default')
  return new Map(
    ours.map(({ dst, gateway, dev = device, flags = [] }) => [
      withBits(dst, family),
      `via ${gateway} dev ${dev}${flags.includes('onlink') ? ' onlink' : ''}`,
    ]),
  )
}

/** All entries of a device that nobody else uses. */
export async function entriesOf(exec: Exec, family: Family, device: string): Promise<Entries> {
  const [routes, neighbours, forwarding] = await Promise.all([
    gatewayRoutes(exec, family, device),
    list<{ dst: string; lladdr?: string }>(exec, 'ip', [
      familyFlag(family),
      '-j',
      'neigh',
      'show',
      'dev',
      device,
      'nud',
      'permanent',
    ]),
    list<{ mac: string; dst?: string }>(exec, 'bridge', ['-j', 'fdb', 'show', 'dev', device]),
  ])
  return {
    routes,
    neighbours: new Map(neighbours.flatMap(({ dst, lladdr }) => (lladdr ? [[dst, lladdr]] : []))),
    forwarding: new Map(forwarding.flatMap(({ mac, dst }) => (dst ? [[mac, dst]] : []))),
  }
}

/** A host route is printed without its length. */
const withBits = (dst: string, family: Family): string =>
  dst.includes('/') ? dst : `${dst}/${family === 'IPv4' ? 32 : 128}`

const familyFlag = (family: Family): string => (family === 'IPv4' ? '-4' : '-6')

async function list<T>(exec: Exec, program: string, args: readonly string[]): Promise<T[]> {
  const text = (await exec(program, args)).trim()
  return text === '' ? [] : (JSON.parse(text) as T[])
}

export interface Commands {
  /** Lines for `ip -batch`. */
  readonly ip: readonly string[]
  /** Lines for `bridge -batch`. */
  readonly bridge: readonly string[]
  /** Lines for `ip -batch`, once the others are done. */
  readonly routes: readonly string[]
}

/** The commands that lead from one state to the other. A route comes after what it needs and goes before it. */
export function entryChanges(from: Entries, to: Entries, device: string): Commands {
  const routes = difference(from.routes, to.routes)
  const neighbours = difference(from.neighbours, to.neighbours)
  const forwarding = difference(from.forwarding, to.forwarding)
  return {
    ip: [
      ...routes.gone.map(([dst, way]) => `route del ${dst} ${way}`),
      ...neighbours.gone.map(([ip]) => `neigh del ${ip} dev ${device}`),
      ...neighbours.set.map(([ip, mac]) => `neigh replace ${ip} lladdr ${mac} dev ${device} nud permanent`),
    ],
    bridge: [
      ...forwarding.gone.map(([mac, ip]) => `fdb del ${mac} dev ${device} dst ${ip} self`),
      ...forwarding.set.map(([mac, ip]) => `fdb replace ${mac} dev ${device} dst ${ip} self permanent`),
    ],
    routes: routes.set.map(([dst, way]) => `route replace ${dst} ${way}`),
  }
}

function difference(from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>) {
  return {
    gone: [...from].filter(([key]) => !to.has(key)),
    set: [...to].filter(([key, value]) => from.get(key) !== value),
  }
}

/** One that fails holds none of the others back; then it rejects with what was said about it. */
export async function applyCommands(exec: Exec, { ip, bridge, routes }: Commands): Promise<void> {
  const failures: unknown[] = []
  const batch = async (program: string, lines: readonly string[]) => {
    if (lines.length === 0) return
    await exec(program, ['-force', '-batch', '-'], `${lines.join('\n')}\n`).catch(error => failures.push(error))
  }
  await batch('ip', ip)
  await batch('bridge', bridge)
  await batch('ip', routes)
  if (failures.length > 0) throw failures[0]
}
