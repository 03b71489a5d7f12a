/** The kubelet's streaming requests, from the upgrade to the end of the connection. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { refuseUpgrade } from '../../../streaming/http.ts'
import { CommandStreams, commandProtocols } from '../../../streaming/spdy/command-streams.ts'
import { acceptSpdy, connectSpdy } from '../../../streaming/spdy/connect.ts'
import { SpdySession } from '../../../streaming/spdy/session.ts'
import type { StreamFlags, StreamSet } from '../../../streaming/stream-set.ts'
import { acceptWebSocket, isWebSocketUpgrade } from '../../../streaming/websocket/accept.ts'
import { ChannelSocket } from '../../../streaming/websocket/channels.ts'
import { commandSubprotocols, webSocketStreams } from '../../../streaming/websocket/command-streams.ts'
import { RuntimeError, runtimeCode } from '../../runtime.ts'
import type { StreamHandler, StreamTarget } from '../handler.ts'
import { joinCommand, runtimeProtocol, streamFlags } from './command.ts'
import { type Forwarder, runtimeForwarder, tcpForwarder } from './forwarders.ts'
import { forwardChannels, portSubprotocols, queriedPorts } from './port-channels.ts'
import { PortForwardStreams } from './port-forward.ts'

const portForwardProtocol = 'portforward.k8s.io'
const tunnelProtocol = `SPDY/3.1+${portForwardProtocol}`

export interface StreamingOptions {
  /** A connection on which nothing moves for so long is closed: 4 h unless given. */
  readonly idleTimeoutMs?: number
  /** How long a client may take to open its streams: 30 s unless given. */
  readonly creationTimeoutMs?: number
}

interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly target: StreamTarget
  readonly signal: AbortSignal
}

/** Serves exec, attach and port-forward to SPDY/3.1 and WebSocket clients. */
export function streamHandler(options: StreamingOptions = {}): StreamHandler {
  const { idleTimeoutMs = 4 * 3_600_000, creationTimeoutMs = 30_000 } = options
  return {
    upgrade(request, socket, head, target) {
      const gone = new AbortController()
      socket.once('close', () => gone.abort())
      socket.on('error', () => socket.destroy())
      closeWhenIdle(socket, idleTimeoutMs)
      const upgrade = { request, socket, head, target, signal: gone.signal }
      const serve = target.kind === 'portForward' ? portForward : command
      serve(upgrade, creationTimeoutMs).catch((error: Error) => {
        const unimplemented = error instanceof RuntimeError && error.code === runtimeCode.unimplemented
        refuseUpgrade(socket, unimplemented ? 501 : 500, error.message)
      })
    },
  }
}

function closeWhenIdle(socket: Duplex, idleMs: number): void {
  if ('setTimeout' in socket && typeof socket.setTimeout === 'function') {
    socket.setTimeout(idleMs, () => socket.destroy())
  }
}

async function command(upgrade: Upgrade, creationTimeoutMs: number): Promise<void> {
  const { target, socket, signal } = upgrade
  const flags = streamFlags(target.query)
  const { runtime, containerId = '', query } = target
  const asked = { containerId, ...flags }
  const url =
    target.kind === 'exec'
      ? await runtime.execUrl({ ...asked, cmd: query.getAll('command') })
      : await runtime.attachUrl(asked)
  const session = await connectSpdy(url, runtimeProtocol, signal)
  try {
    const client = await clientStreams(upgrade, flags, creationTimeoutMs)
    if (client) await joinCommand(client, session, flags)
  } catch {
    socket.destroy()
  } finally {
    session.close()
  }
}

/** Undefined when the client was refused; rejects when it does not open its streams. */
async function clientStreams(upgrade: Upgrade, flags: StreamFlags, timeoutMs: number): Promise<StreamSet | undefined> {
  const { request, socket, head } = upgrade
  if (isWebSocketUpgrade(request)) {
    const accepted = await acceptWebSocket(request, socket, head, commandSubprotocols)
    return accepted && webSocketStreams(accepted, flags)
  }
  let streams: CommandStreams | undefined
  const accepted = acceptSpdy(request, socket, head, commandProtocols, protocol => {
    streams = new CommandStreams(flags, protocol)
    return streams.sessionOptions
  })
  return accepted && streams?.ready(accepted.session, timeoutMs)
}

async function portForward(upgrade: Upgrade, creationTimeoutMs: number): Promise<void> {
  const { request, socket, head, target } = upgrade
  if (!isWebSocketUpgrade(request)) {
    const streams = new PortForwardStreams(creationTimeoutMs)
    const forwarder = await forwarderOf(upgrade)
    const accepted = acceptSpdy(request, socket, head, [portForwardProtocol], () => streams.sessionOptions)
    if (accepted) streams.serve(accepted.session, forwarder)
    return
  }
  const tunnelled = request.headers['sec-websocket-protocol']?.includes(tunnelProtocol) ?? false
  const ports = tunnelled ? [] : queriedPorts(target.query)
  const forwarder = await forwarderOf(upgrade)
  const accepted = await acceptWebSocket(request, socket, head, [tunnelProtocol, ...portSubprotocols])
  if (!accepted) return
  if (accepted.protocol !== tunnelProtocol) {
    await forwardChannels(new ChannelSocket(accepted.ws, accepted.protocol), ports, forwarder)
    return
  }
  const { createWebSocketStream } = await import('../../../streaming/websocket/library.ts')
  const streams = new PortForwardStreams(creationTimeoutMs)
  const tunnel = createWebSocketStream(accepted.ws)
  streams.serve(new SpdySession(tunnel, { server: true, ...streams.sessionOptions }), forwarder)
}

/** Pods on the host's network are reached from here, others from inside. */
async function forwarderOf({ target, signal }: Upgrade): Promise<Forwarder> {
  const { pod, runtime, sandboxId } = target
  const describe = (port: number, why: string) =>
    `error forwarding port ${port} to pod ${pod.metadata.name}, uid ${pod.metadata.uid}: ${why}`
  if (pod.spec.hostNetwork) return tcpForwarder('localhost', signal, describe)
  if (pod.spec.runtimeClassName !== 'embedded') return runtimeForwarder(runtime, sandboxId, signal)
  const { ips } = await runtime.podSandboxStatus(sandboxId)
  return tcpForwarder(ips[0] ?? 'localhost', signal, describe)
}
