/**
 * A node of a server process that only its tunnel reaches: certificates of the server's own supervisor, a kubelet and a pod
 * behind the agent's end, all in this process. The node's and the pod's addresses lead nowhere else.
 */

import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { ServerList } from '../../bootstrap/join/server-addresses.ts'
import { egressPolicy } from '../../bootstrap/tunnel/policy.ts'
import { startTunnelAgent } from '../../bootstrap/tunnel/testing/ends.ts'
import { HttpClient } from './http-client.ts'
import { basic, nodeHeaders, ownKey } from './joining.ts'
import type { RunningServer } from './server.ts'

export const nodeIp = '192.0.2.7'
export const podIp = '10.42.9.9'

export interface RemoteNode {
  /** Opens the tunnel, and closes it. */
  connect(): Promise<void>
  cut(): Promise<void>
  /** Connections that the agent has open for the server. */
  readonly open: () => number
  remove(): Promise<void>
}

export interface RemoteNodeOptions {
  readonly name: string
  readonly mode: string
  readonly kubelet: RequestListener
  readonly onUpgrade: (socket: Duplex) => void
  /** The server behind the pod's every port. */
  readonly pod: { readonly tls: ServerOptions; readonly serve: RequestListener }
}

export async function startRemoteNode(server: RunningServer, options: RemoteNodeOptions): Promise<RemoteNode> {
  const { name, mode } = options
  const own = ownKey()
  const nobody = new HttpClient({ url: server.url, tls: { ca: server.tls.ca } })
  const headers = { ...basic('node', 'server-secret'), ...nodeHeaders(name, 'p'.repeat(32), nodeIp) }
  const certificate = async (kind: string) =>
    (await nobody.post(`/v1-k3s/${kind}-kubelet.crt`, own.request, { type: 'application/octet-stream', headers })).text
  const [serving, client] = [await certificate('serving'), await certificate('client')]
  nobody.close()

  const kubelet = createHttpsServer(
    { cert: serving, key: own.key, ca: server.tls.ca, requestCert: true, rejectUnauthorized: false },
    options.kubelet,
  )
  kubelet.on('upgrade', (_, socket: Duplex) => options.onUpgrade(socket))
  const secure = createHttpsServer(options.pod.tls, options.pod.serve)
  const plain = createHttpServer(options.pod.serve)
  const [kubeletPort, securePort, plainPort] = await Promise.all([kubelet, secure, plain].map(listening))

  const admin = new HttpClient(server)
  await admin.post('/api/v1/nodes', { metadata: { name, labels: { 'egress.k3s.io/cluster': 'true' } } })
  await admin.patch(`/api/v1/nodes/${name}/status`, 'application/merge-patch+json', {
    status: {
      addresses: [{ type: 'InternalIP', address: nodeIp }],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    },
  })
  const containers = [{ name: 'web', image: 'web', ports: [{ containerPort: 80 }] }]
  await admin.until('/api/v1/namespaces/default/serviceaccounts/default', ({ status }) => status === 200)
  await admin.post('/api/v1/namespaces/default/pods', {
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: { nodeName: name, containers },
  })
  await admin.patch('/api/v1/namespaces/default/pods/web/status', 'application/merge-patch+json', {
    status: { phase: 'Running', podIP: podIp, podIPs: [{ ip: podIp }] },
  })
  admin.close()

  const servers = new ServerList([new URL(server.url).host])
  let agent: ReturnType<typeof startTunnelAgent> | undefined
  const policy = egressPolicy({
    mode,
    kubeletPorts: [kubeletPort!],
    nodeIps: () => [nodeIp],
    clusterCidrs: ['10.42.0.0/16'],
    pods: () => [],
  })
  return {
    async connect() {
      agent = startTunnelAgent({ cert: client, key: own.key, ca: server.tls.ca }, servers, policy, ({ host, port }) => {
        const at = host === podIp ? (port === 443 ? securePort : plainPort) : port
        return connect({ host: '127.0.0.1', port: at!, allowHalfOpen: true, noDelay: true })
      })
      const address = servers.current()[0]!
      while (agent.states.get(address)?.phase !== 'connected') await new Promise(resolve => setTimeout(resolve, 5))
    },
    cut: async () => await agent?.stop(),
    open: () => agent?.sockets.size ?? 0,
    async remove() {
      await agent?.stop()
      for (const one of [kubelet, secure, plain]) {
        one.closeAllConnections()
        one.close()
      }
    },
  }
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
