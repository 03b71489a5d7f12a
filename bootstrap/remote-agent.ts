/** `skiff agent`: a node of a cluster whose servers are elsewhere. Load balancer, join, clients, node; and back. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { EmbeddedModules } from './agent/embedded/module.ts'
import { apiReviews } from './agent/server/reviews.ts'
import { Tokens } from './agent/volumes/tokens.ts'
import { systemClock } from './client/clock.ts'
import { Connection, type ConnectionOptions } from './client/connection.ts'
import { wireClient } from './client/remote.ts'
import type { Pod } from './client/resources.ts'
import type { AgentConfig } from './config/agent-config.ts'
import { ConfigError } from './config/parse.ts'
import { clusterSettings, systemImage } from './join/cluster-settings.ts'
import type { Credentials } from './join/credentials.ts'
import { type Joined, type JoinOptions, joinAgain, joinCluster } from './join/join.ts'
import { NodeFiles } from './join/node-files.ts'
import { fullNodeName } from './join/node-name.ts'
import { nodePasswordPath, readNodePassword } from './join/node-password.ts'
import { keepRenewed } from './join/renewal.ts'
import { followServers, ServerList } from './join/server-addresses.ts'
import { type LoadBalancer, startLoadBalancer } from './loadbalancer/load-balancer.ts'
import { lockDataDir } from './lock.ts'
import type { Logger } from './log.ts'
import { startNode } from './node.ts'
import { TokenError } from './pki/token.ts'
import { Stages } from './stages.ts'

export interface RemoteAgentDeps {
  /** What embedded pods on this node may run. */
  readonly modules: () => Promise<EmbeddedModules>
  readonly log: Logger
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal
}

export interface RunningAgent {
  stop(): Promise<void>
}

/** A server that says nothing is noticed within three seconds where there is another one to turn to. */
const pings = { one: 10_000, several: 1000, timeoutMs: 3000 }
/** What kubelet asks for. */
const accountTokenSeconds = 3607

/** Resolves once the node is registered and runs its pods. What was started is stopped again when that fails. */
export async function startRemoteAgent(config: AgentConfig, deps: RemoteAgentDeps): Promise<RunningAgent> {
  const stages = new Stages(deps.log)
  try {
    await start(config, deps, stages)
    return { stop: () => stages.stop() }
  } catch (error) {
    await stages.stop()
    throw error instanceof TokenError ? new ConfigError(error.message) : error
  }
}

async function start(config: AgentConfig, { modules, log, signal }: RemoteAgentDeps, stages: Stages): Promise<void> {
  const began = performance.now()
  stages.started('lock', await lockDataDir(config.dataDir))
  const files = new NodeFiles(config.dataDir)
  await files.prepare()
  const ending = new AbortController()
  const background = AbortSignal.any([signal, ending.signal])
  const effects = { clock: systemClock, random: Math.random, log, signal: background }

  const balancer = config.disableApiserverLb ? undefined : await balance(config, log)
  if (balancer) stages.started('load balancer', () => balancer.close())
  stages.started('background work', () => ending.abort())
  const url = balancer ? `https://127.0.0.1:${balancer.port}` : config.serverUrl
  const nodeName = await fullNodeName(config)
  let { nodeIps } = config
  const joining: JoinOptions = {
    serverUrl: config.serverUrl,
    url: () => url,
    trouble: () => balancer?.trouble,
    token: config.token,
    node: {
      name: nodeName,
      get addresses() {
        return [...nodeIps, ...config.nodeExternalIps]
      },
      password: await readNodePassword(),
      passwordFile: nodePasswordPath,
    },
    files,
  }
  const isMember = (await files.pair('client-kubelet')) !== undefined
  let joined = await joinCluster(joining, effects)
  balancer?.setServers(joined.servers)
  await files.writeKubeconfigs(url)
  const what = isMember ? 'back in the cluster' : 'joined the cluster'
  log.info({ node: nodeName, ms: Math.round(performance.now() - began) }, what)

  const pingEveryMs = () => (balancer && balancer.addresses.length > 1 ? pings.several : pings.one)
  const connections = connect(url, () => joined.credentials, { pingEveryMs, onSilence: () => balancer?.giveUp() })
  stages.started('connections', () => connections.close())
  const client = wireClient(connections.kubelet, {})
  const proxyClient = wireClient(connections.proxy, {})
  const servers = new ServerList(joined.servers)
  followServers(proxyClient, effects, addresses => {
    balancer?.setServers(addresses)
    servers.set(addresses)
  })
  const agent = await startNode({
    config: {
      ...config,
      ...clusterSettings(joined.control),
      nodeName,
      pauseImage: systemImage(config.pauseImage, joined.control.SystemDefaultRegistry),
    },
    client,
    proxyClient,
    accountClient: (_, pod) => wireClient(connections.accounts, { token: accountToken(client, pod) }),
    ...apiReviews(client, nodeName, systemClock),
    async addressesChanged(_, now) {
      nodeIps = now
      await renew()
    },
    serving: { ...joined.credentials.serving, clientCa: joined.credentials.clientCa },
    embeddedModules: await modules(),
    metrics: balancer?.metrics,
    tunnels: {
      servers,
      identity: () => ({ ...joined.credentials.kubelet, ca: joined.credentials.serverCa }),
      onState(server, { phase }) {
        if (phase === 'connected' || phase === 'waiting') balancer?.setHealth(server, phase === 'connected')
      },
    },
    stages,
    log: log.child({ component: 'agent' }),
  })
  const renew = async () => {
    joined = await joinAgain(joining, effects)
    const { serving, clientCa } = joined.credentials
    agent.useCertificate({ certificate: serving.cert, key: serving.key, clientCa })
    connections.renew()
    return certificatesOf(joined)
  }
  void keepRenewed(certificatesOf(joined), renew, effects)
  log.info({ ms: Math.round(performance.now() - began) }, 'skiff agent is up and running')
}

async function balance(config: AgentConfig, log: Logger): Promise<LoadBalancer> {
  const name = 'k3s-agent-load-balancer'
  const folder = join(config.dataDir, 'agent/etc')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const isV6 = config.nodeIps[0]!.includes(':')
  return await startLoadBalancer(
    {
      name,
      serverUrl: config.serverUrl,
      port: config.lbServerPort,
      hosts: isV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'],
      stateFile: join(folder, `${name}.json`),
    },
    { log: log.child({ component: 'loadbalancer' }), clock: systemClock, random: Math.random },
  )
}

/** The node's connections, one per user. Each reads the credentials of the moment. */
function connect(
  server: string,
  credentials: () => Credentials,
  asking: Pick<ConnectionOptions, 'pingEveryMs' | 'onSilence'>,
) {
  const pingTimeoutMs = pings.timeoutMs
  const as = (name: 'kubelet' | 'proxy') => () => ({ ca: credentials().serverCa, ...credentials()[name] })
  // One that asks is enough: the load balancer cuts the others with it.
  const kubelet = new Connection({ server, identity: as('kubelet'), pingTimeoutMs, ...asking })
  const proxy = new Connection({ server, identity: as('proxy') })
  // Embedded pods show their own tokens, so this one must not say who the node is.
  const accounts = new Connection({ server, identity: () => ({ ca: credentials().serverCa }) })
  const all = [kubelet, proxy, accounts]
  return {
    kubelet,
    proxy,
    accounts,
    renew() {
      for (const connection of all) connection.renew()
    },
    close() {
      for (const connection of all) connection.close()
    },
  }
}

/** The token of a pod's service account, bound to the pod and renewed in time. */
function accountToken(client: ReturnType<typeof wireClient>, pod: Pod | undefined): () => Promise<string> {
  const tokens = new Tokens(client, systemClock, Math.random)
  return async () => {
    if (!pod) throw new Error('the pod is not known to its node any more')
    return (await tokens.get(pod, undefined, accountTokenSeconds)).text
  }
}

function certificatesOf({ credentials }: Joined): string[] {
  const { serving, kubelet, proxy, controller } = credentials
  return [serving, kubelet, proxy, controller].map(({ cert }) => cert)
}
