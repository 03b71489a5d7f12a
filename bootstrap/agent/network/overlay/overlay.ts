/**
 * Connects this node's pods with those of the other nodes: announces the node's pod network and follows the others'
 * announcements, as flannel does (flannel-io/flannel pkg/subnet/kube, K3s pkg/agent/flannel). Driven by changes of Nodes and
 * of the machine's devices alone.
 */
import { cidrFamily, contains, type Family, parseCidr } from '../../../api/cidr.ts'
import type { Client } from '../../../client/client.ts'
import { backoffMs, type Clock } from '../../../client/clock.ts'
import type { Informer } from '../../../client/informer.ts'
import { type Node, nodes } from '../../../client/resources.ts'
import type { Exec } from '../exec.ts'
import type { Backend, Peer, Side } from './backend.ts'
import { annotationChange, announcedData, type Lease, leaseOf } from './lease.ts'
import { type Underlay, underlayOf } from './underlay.ts'

export interface OverlayOptions {
  readonly node: string
  readonly clusterCidrs: readonly string[]
  /** This node's addresses now, the primary one first. */
  readonly nodeIps: () => readonly string[]
  readonly externalIps: readonly string[]
  /** Tell the others the external addresses (--flannel-external-ip). */
  readonly useExternalIps: boolean
  /** --flannel-iface */
  readonly iface: string | undefined
}

export interface OverlayDeps {
  readonly backend: Backend
  readonly nodes: Informer<Node>
  /** May write this node's annotations. */
  readonly client: Client
  readonly exec: Exec
  readonly clock: Clock
  readonly random: () => number
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
}

/** What is open of one family: the device is there and the announcement known. */
interface Open {
  readonly side: Side
  readonly publicIp: string
  readonly data: unknown
}

export class Overlay {
  readonly #options: OverlayOptions
  readonly #deps: OverlayDeps
  #subnets: readonly string[] = []
  #open: readonly Open[] | undefined
  #dirty = false
  #wake: () => void = () => {}
  #said = ''
  readonly #refused = new Map<string, string>()

  constructor(options: OverlayOptions, deps: OverlayDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** Follows the nodes until aborted. What is in the kernel stays when it ends: pods outlive this program. */
  start(signal: AbortSignal): void {
    const changed = (node: Node, old?: Node) => {
      if (!old || signature(node) !== signature(old)) this.#touch()
    }
    const stop = this.#deps.nodes.subscribe({
      added: node => changed(node),
      updated: changed,
      deleted: node => changed(node),
    })
    signal.addEventListener('abort', () => {
      stop()
      this.#wake()
    })
    void this.#loop(signal)
  }

  /** The node's pod networks, one per family, are known or have changed. */
  use(subnets: readonly string[]): void {
    this.#subnets = subnets
    this.recheck()
  }

  /** The largest packet that pods with these networks can send each other. Throws when there is no way to other nodes. */
  async mtu(subnets: readonly string[]): Promise<number> {
    const families = subnets.map(subnet => cidrFamily(subnet)!)
    const mtus = await Promise.all(
      families.map(async family => (await this.#underlay(family)).mtu - this.#deps.backend.overhead(family)),
    )
    return Math.min(...mtus)
  }

  /** Something about the machine's devices or addresses may have changed. */
  recheck(): void {
    this.#open = undefined
    this.#deps.backend.doubt()
    this.#touch()
  }

  #touch(): void {
    this.#dirty = true
    this.#wake()
  }

  async #loop(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      if (!this.#dirty) await new Promise<void>(resolve => (this.#wake = resolve))
      // Nodes that join together are handled together.
      await new Promise(resolve => setImmediate(resolve))
      if (signal.aborted) return
      this.#dirty = false
      try {
        await this.#sync()
        failures = 0
        this.#said = ''
      } catch (error) {
        if (signal.aborted) return
        this.#open = undefined
        this.#complain(error as Error)
        await this.#pause(failures++, signal)
        this.#dirty = true
      }
    }
  }

  /** Until it is worth another try; a change is. */
  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    if (this.#dirty) return
    const { clock, random } = this.#deps
    const over = new AbortController()
    const slept = clock.sleep(backoffMs(failures, 500, 30_000, random), AbortSignal.any([signal, over.signal]))
    await Promise.race([slept, new Promise<void>(resolve => (this.#wake = resolve))]).catch(() => undefined)
    over.abort()
    await slept.catch(() => undefined)
  }

  /** Once for each thing that is wrong. */
  #complain({ message }: Error): void {
    const { backend, log } = this.#deps
    if (message !== this.#said)
      log.error({ backend: backend.name, error: message }, 'pod overlay not set up, trying again')
    this.#said = message
  }

  async #sync(): Promise<void> {
    const own = this.#deps.nodes.get(this.#options.node)
    if (this.#subnets.length === 0 || !own) return
    const open = (this.#open ??= await this.#openAll(own))
    await this.#announce(own, open)
    const leases = [...this.#deps.nodes.list()].sort(byAge).flatMap(node => this.#peerLease(node))
    const done = await Promise.allSettled(open.map(({ side }) => this.#deps.backend.reach(side, peersOf(leases, side))))
    for (const side of done) if (side.status === 'rejected') throw side.reason
  }

  async #openAll(own: Node): Promise<Open[]> {
    const opened: Open[] = []
    for (const subnet of this.#subnets) {
      const family = cidrFamily(subnet)
      const cluster = this.#options.clusterCidrs.find(cidr => cidrFamily(cidr) === family)
      if (!family || cluster === undefined) continue
      const underlay = await this.#underlay(family)
      const side: Side = { family, cluster, subnet, ...underlay }
      const data = await this.#deps.backend.open(side, announcedData(own, family))
      opened.push({ side, publicIp: this.#publicIp(family) ?? side.address, data })
    }
    return opened
  }

  async #underlay(family: Family): Promise<Underlay> {
    const { iface, nodeIps } = this.#options
    const nodeIp = nodeIps().find(address => cidrFamily(address) === family)
    if (nodeIp === undefined) throw new Error(`this node has no ${family} address: give one with --node-ip`)
    const found = await underlayOf(this.#deps.exec, family, nodeIp, iface)
    if (found) return found
    if (iface === undefined) throw new Error(`no interface of this node has the address ${nodeIp}`)
    throw new Error(`--flannel-iface ${iface}: there is no such interface with an ${family} address`)
  }

  /** Undefined: the interface's own. */
  #publicIp(family: Family): string | undefined {
    const { externalIps, iface, nodeIps, useExternalIps } = this.#options
    const external = useExternalIps ? externalIps.find(address => cidrFamily(address) === family) : undefined
    return external ?? (iface === undefined ? nodeIps().find(address => cidrFamily(address) === family) : undefined)
  }

  async #announce(own: Node, open: readonly Open[]): Promise<void> {
    const { backend, client } = this.#deps
    const overwritten = this.#options.useExternalIps && this.#options.externalIps.length > 0
    const sides = open.map(({ side, publicIp, data }) => ({ family: side.family, publicIp, data }))
    const annotations = annotationChange(own, { type: backend.type, sides, overwritten })
    if (annotations)
      await client.patch(nodes, { name: this.#options.node }, { metadata: { annotations } }, { type: 'merge' })
  }

  /** Those of the other nodes with the same backend; of another one it is said once. */
  #peerLease(node: Node): Lease[] {
    const lease = leaseOf(node)
    const name = node.metadata.name!
    if (!lease || name === this.#options.node) return []
    const { backend, log } = this.#deps
    if (lease.type === backend.type) {
      this.#refused.delete(name)
      return [lease]
    }
    if (this.#refused.get(name) !== lease.type)
      log.warn(
        { node: name, type: lease.type, own: backend.type },
        'its pods cannot be reached: it uses another overlay backend',
      )
    this.#refused.set(name, lease.type)
    return []
  }
}

/**
 * Those within the cluster's network, and not this node's own part of it: anything else would lead packets astray. Of two
 * that claim the same network the older node has it.
 */
function peersOf(leases: readonly Lease[], { cluster, family, subnet }: Side): Peer[] {
  const network = parseCidr(cluster)!
  const claimed = new Set([subnet])
  return leases.flatMap(({ node, sides }) =>
    sides
      .filter(side => side.family === family && !claimed.has(side.subnet) && contains(network, side.subnet))
      .map(side => {
        claimed.add(side.subnet)
        return { ...side, node }
      }),
  )
}

const byAge = (a: Node, b: Node): number => {
  const [one, other] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? ''} ${metadata.name}`)
  return one! < other! ? -1 : 1
}

/** Everything of a Node that matters here. */
function signature({ metadata, spec }: Node): string {
  const ours = Object.entries(metadata.annotations ?? {}).filter(([name]) => name.startsWith('flannel.'))
  return JSON.stringify([spec.podCIDR, spec.podCIDRs, ours.sort()])
}
