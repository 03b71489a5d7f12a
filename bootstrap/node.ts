/**
 * A node: its network, the runtime of embedded pods and the agent, put together. The server's own agent and `skiff agent`
 * differ only in how they reach the API and where their certificates come from.
 */
import { type Agent, startAgent } from './agent/agent.ts'
import { HostLocalPool } from './agent/embedded/addresses.ts'
import type { EmbeddedModules } from './agent/embedded/module.ts'
import { EmbeddedPodRuntime } from './agent/embedded/runtime.ts'
import { findPlugins } from './agent/network/cni.ts'
import { hostExec } from './agent/network/exec.ts'
import { monitorDevices } from './agent/network/monitor.ts'
import { startNetwork } from './agent/network/network.ts'
import { NodeAddresses } from './agent/network/node-addresses.ts'
import type { HandlerDeps } from './agent/server/handler.ts'
import type { TokenCheck } from './agent/server/listener.ts'
import { streamHandler } from './agent/server/streaming/handler.ts'
import type { Client } from './client/client.ts'
import { backoffMs, systemClock } from './client/clock.ts'
import { createInformers } from './client/informers.ts'
import { type Pod, pods } from './client/resources.ts'
import { anyAddress, requireNodeFamilies } from './config/networks.ts'
import { ConfigError } from './config/parse.ts'
import type { ClusterSettings, NodeConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import type { Metric } from './metrics.ts'
import { selfSigned } from './pki/self-signed.ts'
import { readRegistries } from './registries.ts'
import type { Stages } from './stages.ts'
import { type AgentTunnelsOptions, runTunnels } from './tunnel/agent.ts'
import { egressPolicy } from './tunnel/policy.ts'
import { gitVersion } from './version.ts'

export const kubeletPort = 10250

export interface NodeParts {
  readonly config: NodeConfig & ClusterSettings
  /** The API as this node's own user, so that a node's limits hold. */
  readonly client: Client
  /** The API as system:kube-proxy. */
  readonly proxyClient: Client
  /** The API as a service account of a pod on this node; undefined when the pod is not known any more. */
  readonly accountClient: (pod: { readonly namespace: string; readonly name: string }, known: Pod | undefined) => Client
  /** Who may use this node's kubelet. */
  readonly authorize: NonNullable<HandlerDeps['authorize']>
  readonly authenticate: TokenCheck
  /** Of the kubelet's listener. PEM. */
  readonly serving: { readonly cert: string; readonly key: string; readonly clientCa: string }
  /** The node has other addresses than before, and the API knows; certificates do not. */
  readonly addressesChanged: (agent: Agent, nodeIps: readonly string[]) => Promise<void>
  readonly embeddedModules: EmbeddedModules
  /** What the kubelet's /metrics shows besides its own. */
  readonly metrics?: readonly Metric[] | undefined
  /** Servers that reach this node through tunnels of its own. */
  readonly tunnels: Pick<AgentTunnelsOptions, 'servers' | 'identity' | 'onState'>
  readonly stages: Stages
  readonly log: Logger
}

const pluginFolders = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']
const healthzPort = 10248
/** Where other network plugins install themselves. */
const othersCni = { cniBinDir: '/opt/cni/bin', cniConfDir: '/etc/cni/net.d' }
/** Where containerd of K3s streams. */
const streamPort = 10010
const embeddedGraceMs = 1000
/** Once servers are back, a node is not to stand aside for half a minute. */
const longestPauseMs = 5000

/** Resolves once the node is registered and runs its pods. What it started, `stages` stops. */
export async function startNode(parts: NodeParts): Promise<Agent> {
  const { config, client, proxyClient, serving, stages, log } = parts
  requireNodeFamilies(config.clusterCidrs, config.nodeIps)
  const ending = new AbortController()
  const { signal } = ending
  stages.started('network', () => ending.abort())
  const effects = { clock: systemClock, log, random: Math.random, maxBackoffMs: longestPauseMs }
  const informers = createInformers(client, { ...effects, signal })
  const cniBinDir = findPlugins(pluginFolders)
  if (cniBinDir === undefined)
    throw new ConfigError(`no CNI plugins in ${pluginFolders.join(', ')}: install containernetworking-plugins`)

  const podInformer = informers.get(pods, { fieldSelector: `spec.nodeName=${config.nodeName}` })
  const nodeIps = new NodeAddresses({
    initial: config.nodeIps,
    given: config.nodeIpsGiven,
    iface: config.flannelIface,
  })
  const network = await startNetwork(
    {
      dataDir: config.dataDir,
      node: config.nodeName,
      nodeIps: () => nodeIps.current,
      externalIps: config.nodeExternalIps,
      clusterCidrs: config.clusterCidrs,
      serviceCidrs: config.serviceCidrs,
      disableServices: config.disableKubeProxy,
      balancerNamespace: config.servicelbNamespace,
      backend: config.flannelBackend,
      iface: config.flannelIface,
      cniConf: config.flannelCniConf,
      useExternalIps: config.flannelExternalIp,
      ipv6Masquerade: config.flannelIpv6Masq,
    },
    {
      ...effects,
      client: proxyClient,
      nodeClient: client,
      informers: createInformers(proxyClient, { ...effects, signal }),
      pods: podInformer,
    },
    signal,
  )
  const podCidrs = new PodCidrs()
  const addresses = new HostLocalPool({ exec: hostExec, pluginDir: cniBinDir, podCidrs: () => podCidrs.known })
  await addresses.reclaim()
  const embedded = new EmbeddedPodRuntime({
    modules: parts.embeddedModules,
    addresses,
    nodeName: config.nodeName,
    clientOf: pod => parts.accountClient(pod, podInformer.get(`${pod.namespace}/${pod.name}`)),
    certificate: names => selfSigned(names, systemClock.now()),
    clock: systemClock,
    version: gitVersion,
  })
  startTunnels(parts, nodeIps, () => podInformer.list())
  const agent = await startAgent(
    {
      nodeName: config.nodeName,
      get nodeIps() {
        return nodeIps.current
      },
      nodeExternalIps: config.nodeExternalIps,
      nodeInternalDns: config.nodeInternalDns,
      nodeExternalDns: config.nodeExternalDns,
      externalCloud: !config.disableCloudController || kubeletArg(config.kubeletArgs, 'cloud-provider') === 'external',
      providerId: kubeletArg(config.kubeletArgs, 'provider-id'),
      nodeLabels: { ...egressLabels(config.egressSelectorMode), ...labelsOf(config.nodeLabels) },
      nodeAnnotations: config.nodeAnnotations,
      nodeTaints: config.nodeTaints,
      dataDir: config.dataDir,
      clusterDns: config.clusterDns,
      clusterDomain: config.clusterDomain,
      pauseImage: config.pauseImage,
      snapshotter: config.snapshotter,
      selinux: config.selinux,
      defaultRuntime: config.defaultRuntime,
      nonrootDevices: config.nonrootDevices,
      disableDefaultRegistryEndpoint: config.disableDefaultRegistryEndpoint,
      ...(config.flannelBackend === 'none' ? othersCni : { cniBinDir }),
      registries: await readRegistries(config.privateRegistry),
      containerRuntimeEndpoint: config.containerRuntimeEndpoint,
      resolvConf: config.resolvConf,
      version: gitVersion,
      server: {
        port: kubeletPort,
        bindAddress: anyAddress(config.nodeIps),
        certificate: serving.cert,
        key: serving.key,
        clientCa: serving.clientCa,
      },
      healthzPort,
    },
    {
      ...effects,
      client,
      informers,
      embedded,
      streams: streamHandler(),
      network: {
        async usePodCidrs(cidrs) {
          await network.usePodCidrs(cidrs)
          podCidrs.learn(cidrs)
        },
      },
      authorize: parts.authorize,
      metrics: parts.metrics,
      authenticate: parts.authenticate,
    },
  )
  let moving = new AbortController()
  const devicesChanged = () => {
    const moved = nodeIps.look()
    network.devicesChanged()
    if (!moved) return
    moving.abort()
    moving = new AbortController()
    void followAddresses(parts, agent, nodeIps, AbortSignal.any([signal, moving.signal]))
  }
  monitorDevices(devicesChanged, effects, signal)
  stages.started('embedded pods', () => embedded.close(embeddedGraceMs))
  stages.started('node agent', () => agent.stop())
  return agent
}

/** Every server may reach the kubelet, and what the cluster's mode of egress allows besides. */
function startTunnels(
  { config, tunnels, stages, log }: NodeParts,
  nodeIps: NodeAddresses,
  podsHere: () => Iterable<Pod>,
): void {
  const ending = new AbortController()
  const policy = egressPolicy({
    mode: config.egressSelectorMode,
    kubeletPorts: [kubeletPort, streamPort],
    nodeIps: () => nodeIps.current,
    clusterCidrs: config.clusterCidrs,
    pods: podsHere,
  })
  const effects = { clock: systemClock, random: Math.random, log }
  const ended = runTunnels({ ...tunnels, policy, ...effects }, ending.signal)
  stages.started('tunnels to servers', () => {
    ending.abort()
    return ended
  })
}

/** Until the cluster knows: the way to it may have gone with the former address, and come back later. */
async function followAddresses(
  { addressesChanged, log }: NodeParts,
  agent: Agent,
  { current }: NodeAddresses,
  signal: AbortSignal,
): Promise<void> {
  log.info({ nodeIps: current }, "this node's addresses have changed")
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await agent.addressesChanged()
      return await addressesChanged(agent, current)
    } catch (error) {
      log.warn({ nodeIps: current, error: (error as Error).message }, 'new addresses not yet in certificates')
      await systemClock.sleep(backoffMs(failures, 1000, 30_000, Math.random), signal).catch(() => undefined)
    }
  }
}

/** The node's pod networks, which the cluster hands out some time after registration. */
class PodCidrs {
  readonly known: Promise<readonly string[]>
  learn: (cidrs: readonly string[]) => void = () => {}

  constructor() {
    this.known = new Promise(resolve => (this.learn = resolve))
  }
}

/** The last value given for a flag of kubelet; undefined when there is none. */
function kubeletArg(args: readonly string[], name: string): string | undefined {
  return args.findLast(arg => arg.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** In these modes servers reach pods by their nodes' tunnels. */
function egressLabels(mode: string): { readonly [key: string]: string } {
  return mode === 'cluster' || mode === 'pod' ? { 'egress.k3s.io/cluster': 'true' } : {}
}

/** "key=value" texts; a key alone has an empty value. */
function labelsOf(texts: readonly string[]): { readonly [key: string]: string } {
  return Object.fromEntries(texts.map(text => [text.split('=')[0]!, text.split('=').slice(1).join('=')]))
}
