/** The node's network: CNI configuration, bridge, and the service table. */
import { join } from 'node:path'
import { cidrFamily } from '../../api/cidr.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import type { Informer, Informers } from '../../client/informer.ts'
import { endpointSlices, nodes, type Pod, services } from '../../client/resources.ts'
import type { Logger } from '../../log.ts'
import { EventRecorder } from '../pods/events.ts'
import { writeConflist } from './cni.ts'
import { type Exec, hostExec } from './exec.ts'
import { type BridgeOptions, prepareBridge, setSwitches } from './host.ts'
import { startOverlay } from './overlay/start.ts'
import { balancersAmong } from './services/balancers.ts'
import { ServiceProxy } from './services/proxy.ts'
import { serveProxyHealth } from './services/proxy-health.ts'

/** kube-proxy's. */
const proxyHealthPort = 10256

export interface NetworkOptions {
  readonly dataDir: string
  readonly node: string
  /** This node's addresses now, the primary one first. */
  readonly nodeIps: () => readonly string[]
  readonly externalIps: readonly string[]
  /** One network per family, the primary one first. */
  readonly clusterCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
  /** Keep away from the node's service table (--disable-kube-proxy). */
  readonly disableServices: boolean
  /** Where load balancers' pods live. */
  readonly balancerNamespace: string
  /** --flannel-backend; with "none" somebody else's plugin connects the pods. */
  readonly backend: string
  /** --flannel-iface */
  readonly iface: string | undefined
  /** --flannel-cni-conf */
  readonly cniConf: string | undefined
  /** --flannel-external-ip */
  readonly useExternalIps: boolean
  /** --flannel-ipv6-masq */
  readonly ipv6Masquerade: boolean
}

export interface NetworkDeps {
  /** The API as system:kube-proxy, and its informers. */
  readonly client: Client
  /** The API as this node's own user. */
  readonly nodeClient: Client
  readonly informers: Informers
  /** This node's pods. */
  readonly pods: Informer<Pod>
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  readonly exec?: Exec
}

export interface Network {
  /** Called once the node has its pod CIDRs, one per family; resolves when pods can be given addresses. */
  usePodCidrs(podCidrs: readonly string[]): Promise<void>
  /** The machine's devices or addresses may have changed. */
  devicesChanged(): void
}

/** Starts the service table and prepares the host; pods wait for usePodCidr. */
export async function startNetwork(options: NetworkOptions, deps: NetworkDeps, signal: AbortSignal): Promise<Network> {
  const exec = deps.exec ?? hostExec
  const missing = setSwitches(options.clusterCidrs.map(cidr => cidrFamily(cidr)!))
  if (missing.length > 0)
    deps.log.warn({ missing }, 'the kernel lacks network switches; services may not work from pods on this node')
  void dropOtherFamily(exec, options)
  if (!options.disableServices) {
    const { client, clock, log } = deps
    const events = new EventRecorder({ client, clock, log, nodeName: options.node, component: 'kube-proxy' })
    const proxy = new ServiceProxy({
      services: deps.informers.get(services),
      slices: deps.informers.get(endpointSlices),
      node: options.node,
      nodeIps: options.nodeIps,
      balancers: balancersAmong(deps.pods, options.balancerNamespace, clock),
      tell: (service, reason, message) => events.service(service, 'Warning', reason, message),
      clusterCidrs: options.clusterCidrs,
      exec,
      clock,
      log,
      random: deps.random,
    })
    await proxy.start(signal)
    serveProxyHealth(proxyHealthPort, { health: () => proxy.health, now: () => clock.now(), log }, signal)
  }
  let bridge: Omit<BridgeOptions, 'nodeIps'> | undefined
  const prepare = async () => bridge && prepareBridge(exec, { ...bridge, nodeIps: options.nodeIps() })
  const overlay = await startOverlay(
    options,
    { ...deps, exec, client: deps.nodeClient, nodes: deps.informers.get(nodes) },
    signal,
  )
  return {
    async usePodCidrs(podCidrs) {
      if (!overlay) return
      const mtu = await overlay.use(podCidrs)
      bridge = { podCidrs, serviceCidrs: options.serviceCidrs, mtu }
      await prepare()
      writeConflist(join(options.dataDir, 'agent/etc/cni/net.d'), { podCidrs, mtu }, options.cniConf)
    },
    devicesChanged() {
      prepare().catch(error => deps.log.warn({ err: error }, "cannot mend the pods' bridge"))
      overlay?.recheck()
    },
  }
}

/** Tables of a family that the cluster had in an earlier life. A kernel may not know the family at all. */
async function dropOtherFamily(exec: Exec, { clusterCidrs }: NetworkOptions): Promise<void> {
  const families = clusterCidrs.map(cidrFamily)
  for (const [family, word] of [
    ['IPv4', 'ip'],
    ['IPv6', 'ip6'],
  ] as const)
    if (!families.includes(family))
      for (const table of ['skiff-services', `flannel-${family.toLowerCase()}`])
        await exec('nft', ['delete', 'table', word, table]).catch(() => undefined)
}
