/** A highly available cluster for tests: servers behind a TCP load balancer, each also reached directly; faults at hand. */
import { parse } from 'yaml'
import { type Access, ApiStore } from '../linearizability/api-store.ts'
import type { Bed } from '../testbed/bed.ts'
import type { Disk } from '../testbed/disk.ts'
import { Links } from '../testbed/links.ts'
import { forward, startLoadBalancer } from '../testbed/load-balancer.ts'
import { Network } from '../testbed/network.ts'
import { Nodes, type Role } from '../testbed/nodes.ts'

export const balancerAddress = '198.51.100.1'
const [apiPort, directPort] = [6443, 7000]

export interface HaOptions {
  readonly servers: number
  readonly agents?: number
  readonly flags?: readonly string[]
  readonly prepare?: (bed: Bed, role: Role, number: number) => Promise<Disk | undefined>
}

export interface Ha {
  readonly network: Network
  readonly nodes: Nodes
  readonly links: Links
  /** Registers through each server, and through the load balancer. */
  readonly stores: readonly ApiStore[]
  readonly balanced: ApiStore
  /** The load balancer's and each server's API as seen from here. */
  readonly access: { readonly balanced: Access; readonly direct: readonly Access[] }
  /** Those that `prepare` made, by host name. */
  readonly disks: ReadonlyMap<string, Disk>
  /** Resolves when this server says that it is ready. */
  ready(index: number): Promise<void>
  destroy(): Promise<void>
}

export async function startHa(options: HaOptions): Promise<Ha> {
  const network = await Network.create()
  const undo: (() => unknown)[] = [() => network.destroy()]
  const destroy = async () => {
    for (const one of undo.toReversed()) await one()
  }
  try {
    const disks = new Map<string, Disk>()
    const nodes = new Nodes(network, {
      servers: options.servers,
      agents: options.agents ?? 0,
      network,
      url: `https://${balancerAddress}:${apiPort}`,
      flags: ['--tls-san', balancerAddress, ...(options.flags ?? [])],
      prepare: async (bed, role, number) => {
        const disk = await options.prepare?.(bed, role, number)
        if (disk) disks.set(bed.hostname, disk)
      },
    })
    undo.push(() => nodes.destroy())
    const addresses = Array.from({ length: options.servers }, (_, index) => `198.51.100.${11 + index}`)
    const balancer = await startLoadBalancer(network, [
      { port: apiPort, addresses },
      ...addresses.map((address, index) => ({ port: directPort + index, to: apiPort, addresses: [address] })),
    ])
    undo.push(() => balancer.stop())
    await nodes.start()
    const tls = credentials(nodes.first.kubeconfig())
    const ways = await Promise.all(
      [apiPort, ...addresses.map((_, n) => directPort + n)].map(port => forward(balancer.socketOf(port))),
    )
    undo.push(() => ways.forEach(way => void way.close()))
    const [balanced, ...direct] = ways.map(({ port }): Access => ({ url: `https://127.0.0.1:${port}`, tls }))
    const storeOf = (access: Access) => {
      const store = new ApiStore()
      store.connect(access)
      undo.push(() => store.close())
      return store
    }
    const stores = direct.map(storeOf)
    const ready = async (index: number) => {
      for (const until = performance.now() + 60_000; ; ) {
        const ok = await stores[index]!.ready().catch(() => false)
        if (ok) return
        if (performance.now() > until)
          throw new Error(`server ${index + 1} is not ready:\n${nodes.servers[index]!.logs().slice(-3000)}`)
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    }
    const access = { balanced: balanced!, direct }
    return {
      network,
      nodes,
      links: new Links(network),
      stores,
      balanced: storeOf(balanced!),
      access,
      disks,
      ready,
      destroy,
    }
  } catch (error) {
    await destroy()
    throw error
  }
}

function credentials(kubeconfig: string): Access['tls'] {
  const { clusters, users } = parse(kubeconfig) as {
    clusters: { cluster: { 'certificate-authority-data': string } }[]
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[]
  }
  const pem = (base64: string) => Buffer.from(base64, 'base64').toString()
  const ca = pem(clusters[0]!.cluster['certificate-authority-data'])
  return { ca, cert: pem(users[0]!.user['client-certificate-data']), key: pem(users[0]!.user['client-key-data']) }
}
