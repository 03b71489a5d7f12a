/** The node agent beside a server, in its process. */
import { startAgent } from './agent/agent.ts'
import { HostLocalPool } from './agent/embedded/addresses.ts'
import { EmbeddedPodRuntime } from './agent/embedded/runtime.ts'
import { findPlugins } from './agent/network/cni.ts'
import { hostExec } from './agent/network/exec.ts'
import { startNetwork } from './agent/network/network.ts'
import { streamHandler } from './agent/server/streaming/handler.ts'
import type { AssembledServer } from './apiserver/assemble.ts'
import { attributesOf } from './apiserver/auth/authorizer.ts'
import type { Client } from './client/client.ts'
import { systemClock } from './client/clock.ts'
import { createInformers } from './client/informers.ts'
import { nodes as nodeResource, pods } from './client/resources.ts'
import { ConfigError } from './config/parse.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import type { NodeGate } from './node-gate.ts'
import type { Pki } from './pki/pki.ts'
import { selfSigned } from './pki/self-signed.ts'
import { readRegistries } from './registries.ts'
import type { Stages } from './stages.ts'
import { localNodeConnect } from './streaming/local-node.ts'
import type { Userland } from './userland.ts'
import { gitVersion } from './version.ts'

export interface LocalAgentParts {
  readonly config: ServerConfig
  readonly api: AssembledServer
  readonly pki: Pki
  readonly userland: Userland
  readonly nodes: NodeGate
  readonly stages: Stages
  readonly log: Logger
}

const pluginFolders = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni']
const kubeletPort = 10250
const healthzPort = 10248
const embeddedGraceMs = 1000

/** Resolves once the node is registered. Its client is the node's own user, so that the node's limits hold for it, too. */
export async function startLocalAgent({
  config,
  api,
  pki,
  userland,
  nodes,
  stages,
  log,
}: LocalAgentParts): Promise<void> {
  const ending = new AbortController()
  const { signal } = ending
  stages.started('network', () => ending.abort())
  const agentLog = log.child({ component: 'agent' })
  const client = api.client().as(`system:node:${config.nodeName}`, ['system:nodes'])
  const effects = { clock: systemClock, log: agentLog, random: Math.random }
  const informers = createInformers(client, { ...effects, signal })
  const cniBinDir = findPlugins(pluginFolders)
  if (cniBinDir === undefined)
    throw new ConfigError(`no CNI plugins in ${pluginFolders.join(', ')}: install containernetworking-plugins`)

  const proxyClient = api.client().as('system:kube-proxy')
  const podInformer = informers.get(pods, { fieldSelector: `spec.nodeName=${config.nodeName}` })
  const network = await startNetwork(
    {
      dataDir: config.dataDir,
      node: config.nodeName,
      nodeIp: config.nodeIps[0]!,
      clusterCidr: config.clusterCidrs[0]!,
      serviceCidr: config.serviceCidrs[0]!,
      disableServices: config.disableKubeProxy,
      balancerNamespace: config.servicelbNamespace,
      disableCni: config.flannelBackend === 'none',
    },
    {
      ...effects,
      client: proxyClient,
      informers: createInformers(proxyClient, { ...effects, signal }),
      pods: podInformer,
    },
    signal,
  )
  const podCidr = new PodCidr()
  const addresses = new HostLocalPool({ exec: hostExec, pluginDir: cniBinDir, podCidr: () => podCidr.known })
  await addresses.reclaim()
  const embedded = new EmbeddedPodRuntime({
    modules: userland.embeddedModules,
    addresses,
    nodeName: config.nodeName,
    clientOf: pod =>
      accountClient(
        api.client(),
        pod.namespace,
        podInformer.get(`${pod.namespace}/${pod.name}`)?.spec.serviceAccountName,
      ),
    certificate: names => selfSigned(names, systemClock.now()),
    clock: systemClock,
    version: gitVersion,
  })
  const agent = await startAgent(
    {
      nodeName: config.nodeName,
      nodeIps: config.nodeIps,
      nodeExternalIps: config.nodeExternalIps,
      nodeInternalDns: config.nodeInternalDns,
      nodeExternalDns: config.nodeExternalDns,
      externalCloud: !config.disableCloudController || kubeletArg(config.kubeletArgs, 'cloud-provider') === 'external',
      providerId: kubeletArg(config.kubeletArgs, 'provider-id'),
      nodeLabels: { ...egressLabels(config.egressSelectorMode), ...labelsOf(config.nodeLabels) },
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
      cniBinDir,
      registries: await readRegistries(config.privateRegistry),
      containerRuntimeEndpoint: config.containerRuntimeEndpoint,
      resolvConf: config.resolvConf,
      version: gitVersion,
      server: {
        port: kubeletPort,
        bindAddress: '0.0.0.0',
        certificate: pki.kubeletServing.cert,
        key: pki.kubeletServing.key,
        clientCa: pki.clientCa.cert,
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
        async usePodCidr(cidr) {
          await network.usePodCidr(cidr)
          podCidr.learn(cidr)
        },
      },
      authorize: async (user, verb, subresource) => {
        const asking = { name: user.name, uid: '', groups: [...user.groups, 'system:authenticated'], extra: {} }
        const { resource } = nodeResource
        return api.authorizer.authorize(
          attributesOf(asking, verb, { version: 'v1', resource, subresource, name: config.nodeName }),
        ).allowed
      },
      authenticate: async token => api.authenticator.authenticateToken(token)?.user,
    },
  )
  const way = localNodeConnect({
    host: '127.0.0.1',
    port: kubeletPort,
    cert: pki.apiserver.cert,
    key: pki.apiserver.key,
    ca: pki.serverCa.cert,
  })
  nodes.open(config.nodeName, way)
  stages.started('embedded pods', () => embedded.close(embeddedGraceMs))
  stages.started('node agent', () => agent.stop())
  stages.started('node connection', () => {
    nodes.close(config.nodeName)
    way.close()
  })
}

/** The node's pod network, which the cluster hands out some time after registration. */
class PodCidr {
  readonly known: Promise<string>
  learn: (cidr: string) => void = () => {}

  constructor() {
    this.known = new Promise(resolve => (this.learn = resolve))
  }
}

function accountClient(client: Client, namespace: string, account = 'default'): Client {
  return client.as(`system:serviceaccount:${namespace}:${account}`)
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
