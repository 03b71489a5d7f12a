/** Both ends of tunnels in one process, over real TLS: the API's listener, and agents with certificates of their own. */
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { connect, createServer, Socket } from 'node:net'
import { errors } from '../../api/errors.ts'
import { listen } from '../../apiserver/http/listener.ts'
import { systemClock } from '../../client/clock.ts'
import { type Issuer, issueCertificate, keyPem, newKey, subjectOf, type Usage } from '../../pki/certificate.ts'
import { lastWords } from '../../streaming/http.ts'
import { runTunnels, type ServerSet, type TunnelState } from '../agent.ts'
import type { AgentIdentity } from '../connect.ts'
import type { EgressPolicy } from '../policy.ts'
import type { Target } from '../protocol.ts'
import { Tunnels } from '../tunnels.ts'
import { tunnelUpgrade } from '../upgrade.ts'

export const quiet = { info: () => {}, warn: () => {} }
const day = 86_400_000

export class TestCa {
  readonly issuer: Issuer
  readonly pem: string

  constructor() {
    const key = newKey()
    const now = Date.now()
    const spec = { commonName: 'ca', isCa: true, notBefore: now - day, notAfter: now + day }
    this.pem = issueCertificate(spec, createPublicKey(key), key)
    this.issuer = { certificate: new X509Certificate(this.pem), key }
  }

  issue(commonName: string, organizations: readonly string[], usages: readonly Usage[], sans: readonly string[] = []) {
    const key = newKey()
    const now = Date.now()
    const spec = { commonName, organizations, usages, sans, notBefore: now - day, notAfter: now + day }
    return { cert: issueCertificate(spec, createPublicKey(key), this.issuer), key: keyPem(key) }
  }

  node(name: string): AgentIdentity {
    return { ...this.issue(`system:node:${name}`, ['system:nodes'], ['client']), ca: this.pem }
  }
}

/** A server that accepts tunnels. */
export async function startTunnelServer(ca: TestCa, port = 0) {
  const tunnels = new Tunnels({ clock: systemClock, log: quiet })
  const upgrade = tunnelUpgrade(tunnels, async certificate => {
    if (!certificate?.checkIssued(ca.issuer.certificate)) return undefined
    const { commonName, organizations } = subjectOf(certificate)
    return { name: commonName, groups: organizations }
  })
  const listening = await listen(() => Promise.reject(errors.unknownPath()), {
    ...ca.issue('server', [], ['server'], ['127.0.0.1', 'localhost']),
    port,
    host: '127.0.0.1',
    clientCa: ca.pem,
    onUpgrade(request, socket, head) {
      const refuse = (error: { code?: number }) => lastWords(socket, `HTTP/1.1 ${error.code ?? 500} Refused\r\n\r\n`)
      upgrade(request, socket, head).then(taken => taken || refuse({ code: 404 }), refuse)
    },
  })
  return {
    tunnels,
    address: `127.0.0.1:${listening.port}`,
    port: listening.port,
    async close() {
      tunnels.close()
      await listening.close()
    },
  }
}

/** A host that never answers. */
export const slowHost = '192.0.2.1'

export const everywhere: EgressPolicy = target => target

const openTcp = (target: Target) => connect({ ...target, allowHalfOpen: true, noDelay: true })

/** An agent with tunnels to all servers; `states` is where each stands. */
export function startTunnelAgent(
  identity: AgentIdentity,
  servers: ServerSet,
  policy: EgressPolicy = everywhere,
  dial: (target: Target) => Socket = openTcp,
) {
  const ending = new AbortController()
  const states = new Map<string, TunnelState>()
  const reasons: string[] = []
  const sockets = new Set<Socket>()
  const ended = runTunnels(
    {
      servers,
      policy,
      identity: () => identity,
      onState(server, state) {
        states.set(server, state)
        if (state.phase === 'waiting') reasons.push(state.reason)
      },
      open(target) {
        const socket = target.host === slowHost ? new Socket() : dial(target)
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
        return socket
      },
      clock: systemClock,
      random: Math.random,
      log: quiet,
    },
    ending.signal,
  )
  return {
    states,
    /** Why there was no tunnel, each time. */
    reasons,
    /** Connections that the agent has open on behalf of servers. */
    sockets,
    async stop() {
      ending.abort()
      await ended
    },
  }
}

/** Something to reach: a TCP server on the loopback address. */
export async function tcpServer(serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    serve(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
