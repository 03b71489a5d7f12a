/** The node agent beside a server, in its process. */
import { createPublicKey } from 'node:crypto'
import type { AssembledServer } from './apiserver/assemble.ts'
import { attributesOf } from './apiserver/auth/authorizer.ts'
import { systemClock } from './client/clock.ts'
import { nodes as nodeResource } from './client/resources.ts'
import type { ServerConfig } from './config/server-config.ts'
import { followServers, ServerList } from './join/server-addresses.ts'
import type { Logger } from './log.ts'
import { kubeletPort, startNode } from './node.ts'
import type { NodeGate } from './node-gate.ts'
import type { Pki } from './pki/pki.ts'
import type { Stages } from './stages.ts'
import { kubeletServing } from './supervisor/certificates.ts'
import { authorityOf } from './tunnel/protocol.ts'
import type { Userland } from './userland.ts'

export interface LocalAgentParts {
  readonly config: ServerConfig
  readonly api: AssembledServer
  readonly pki: Pki
  readonly userland: Userland
  readonly nodes: NodeGate
  readonly stages: Stages
  readonly log: Logger
}

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
  await startNode({
    config,
    tunnels: {
      servers: otherServers(config, api, stages, log),
      identity: () => ({ ...pki.kubelet, ca: pki.serverCa.cert }),
    },
    client: api.client().as(`system:node:${config.nodeName}`, ['system:nodes']),
    proxyClient: api.client().as('system:kube-proxy'),
    accountClient: ({ namespace }, pod) =>
      api.client().as(`system:serviceaccount:${namespace}:${pod?.spec.serviceAccountName ?? 'default'}`),
    authorize: async (user, verb, subresource) => {
      const asking = { name: user.name, uid: '', groups: [...user.groups, 'system:authenticated'], extra: {} }
      const { resource } = nodeResource
      return api.authorizer.authorize(
        attributesOf(asking, verb, { version: 'v1', resource, subresource, name: config.nodeName }),
      ).allowed
    },
    authenticate: async token => (await api.authenticator.authenticateToken(token))?.user,
    async addressesChanged(agent, nodeIps) {
      const addresses = [...nodeIps, ...config.nodeExternalIps].join()
      const publicKey = createPublicKey(pki.kubeletServing.key)
      const certificate = pki.issue({ ...kubeletServing(config.nodeName, addresses), publicKey })
      agent.useCertificate({ certificate, key: pki.kubeletServing.key, clientCa: pki.clientCa.cert })
      if (config.advertiseAddress === config.nodeIps[0]) await api.advertise(nodeIps[0]!)
    },
    serving: { cert: pki.kubeletServing.cert, key: pki.kubeletServing.key, clientCa: pki.clientCa.cert },
    embeddedModules: userland.embeddedModules,
    stages,
    log: log.child({ component: 'agent' }),
  })
  nodes.open(config.nodeName, { host: '127.0.0.1', port: kubeletPort })
  stages.started('node connection', () => nodes.close(config.nodeName))
}

/** They reach this node as they reach any other; the server in this process does not need to. */
function otherServers(config: ServerConfig, api: AssembledServer, stages: Stages, log: Logger): ServerList {
  const ending = new AbortController()
  stages.started('list of servers', () => ending.abort())
  const own = authorityOf({ host: config.advertiseAddress, port: config.advertisePort })
  const servers = new ServerList()
  const effects = { clock: systemClock, random: Math.random, log, signal: ending.signal }
  followServers(api.client(), effects, all => servers.set(all.filter(address => address !== own)))
  return servers
}
