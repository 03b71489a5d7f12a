/** The tunnels' end in a server: accepts them, and is the API server's way to nodes and to what runs on them. */
import type { Node } from './api/types.gen.ts'
import type { AssembledServer, AssembleOptions } from './apiserver/assemble.ts'
import { followStore } from './apiserver/auth/follow.ts'
import { systemClock } from './client/clock.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import { NodeGate } from './node-gate.ts'
import type { Pki } from './pki/pki.ts'
import { AddressIndex } from './tunnel/addresses.ts'
import { createEgress } from './tunnel/egress.ts'
import { Tunnels } from './tunnel/tunnels.ts'
import { tunnelUpgrade } from './tunnel/upgrade.ts'

export interface ServerTunnelsOptions {
  readonly config: Pick<ServerConfig, 'egressSelectorMode' | 'nodeName' | 'disableAgent' | 'httpsPort'>
  readonly pki: Pick<Pki, 'apiserver' | 'serverCa'>
  /** Known once it is assembled, which is before the first request. */
  readonly core: () => AssembledServer | undefined
  readonly log: Logger
}

export interface ServerTunnels extends Required<Pick<AssembleOptions, 'upgradeRoutes' | 'via'>> {
  readonly tunnels: Tunnels
  readonly nodes: NodeGate
  /** Learns where nodes and pods are, and shows metrics; the API server serves already. */
  start(api: AssembledServer, signal: AbortSignal): Promise<void>
  close(): void
}

export function serverTunnels({ config, pki, core, log }: ServerTunnelsOptions): ServerTunnels {
  const mode = config.egressSelectorMode
  const tunnels = new Tunnels({ clock: systemClock, log })
  const index = new AddressIndex()
  const egress = createEgress({
    mode,
    localNode: config.disableAgent ? undefined : config.nodeName,
    port: config.httpsPort,
    tunnels,
    index,
    log,
  })
  const nodes = new NodeGate({
    node: name => core()?.reader.get('', 'nodes', '', name) as Node | undefined,
    egress,
    tls: { cert: pki.apiserver.cert, key: pki.apiserver.key, ca: pki.serverCa.cert },
  })
  return {
    tunnels,
    nodes,
    via: egress.through,
    // Nothing but the certificate counts: no token, and no front proxy's word.
    upgradeRoutes: tunnelUpgrade(tunnels, async peerCertificate =>
      core()?.authenticator.authenticate({ headers: {}, peerCertificate }),
    ),
    async start({ store, server }, signal) {
      server.metrics.all.register(...egress.metrics)
      if (mode === 'disabled') return
      const failed = (err: unknown) => log.error({ err }, 'cannot follow where nodes and pods are')
      followStore(await store.resource('', 'nodes', false), index.nodes, signal).catch(failed)
      if (mode === 'cluster' || mode === 'pod')
        followStore(await store.resource('', 'pods', true), index.pods, signal).catch(failed)
    },
    close() {
      tunnels.close()
      nodes.closeAll()
    },
  }
}
