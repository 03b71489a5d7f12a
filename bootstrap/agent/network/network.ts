/** The node's network: CNI configuration, bridge, and the service table. */
import { join } from 'node:path'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import type { Informer, Informers } from '../../client/informer.ts'
import { endpointSlices, type Pod, services } from '../../client/resources.ts'
import type { Logger } from '../../log.ts'
import { EventRecorder } from '../pods/events.ts'
import { writeConflist } from './cni.ts'
import { type Exec, hostExec } from './exec.ts'
import { mtuOf, prepareBridge, setSwitches } from './host.ts'
import { balancersAmong } from './services/balancers.ts'
import { ServiceProxy } from './services/proxy.ts'
import { serveProxyHealth } from './services/proxy-health.ts'

/** kube-proxy's. */
const proxyHealthPort = 10256

export interface NetworkOptions {
  readonly dataDir: string
  readonly node: string
  readonly nodeIp: string
  readonly clusterCidr: string
  readonly serviceCidr: string
  /** Keep away from the node's service table (--disable-kube-proxy). */
  readonly disableServices: boolean
  /** Where load balancers' pods live. */
  readonly balancerNamespace: string
  /** Write no CNI configuration (--flannel-backend=none): somebody else's plugin does. */
  readonly disableCni: boolean
}

export interface NetworkDeps {
  readonly client: Client
  readonly informers: Informers
  /** This node's pods. */
  readonly pods: Informer<Pod>
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  readonly exec?: Exec
}

export interface Network {
  /** Called once the node has its pod CIDR; resolves when pods can be given addresses. */
  usePodCidr(podCidr: string): Promise<void>
}

/** Starts the service table and prepares the host; pods wait for usePodCidr. */
export async function startNetwork(options: NetworkOptions, deps: NetworkDeps, signal: AbortSignal): Promise<Network> {
  const exec = deps.exec ?? hostExec
  const missing = setSwitches()
  if (missing.length > 0)
    deps.log.warn({ missing }, 'the kernel lacks network switches; services may not work from pods on this node')
  if (!options.disableServices) {
    const { client, clock, log } = deps
    const events = new EventRecorder({ client, clock, log, nodeName: options.node, component: 'kube-proxy' })
    const proxy = new ServiceProxy({
      services: deps.informers.get(services),
      slices: deps.informers.get(endpointSlices),
      node: options.node,
      nodeIps: [options.nodeIp],
      balancers: balancersAmong(deps.pods, options.balancerNamespace, clock),
      tell: (service, reason, message) => events.service(service, 'Warning', reason, message),
      clusterCidr: options.clusterCidr,
      exec,
      clock,
      log,
      random: deps.random,
    })
    await proxy.start(signal)
    serveProxyHealth(proxyHealthPort, { health: () => proxy.health, now: () => clock.now(), log }, signal)
  }
  return {
    async usePodCidr(podCidr) {
      if (options.disableCni) return
      const mtu = await mtuOf(exec, options.nodeIp)
      await prepareBridge(exec, { podCidr, serviceCidr: options.serviceCidr, nodeIp: options.nodeIp, mtu })
      writeConflist(join(options.dataDir, 'agent/etc/cni/net.d'), { podCidr, mtu })
    },
  }
}
