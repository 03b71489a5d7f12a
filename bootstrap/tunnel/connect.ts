/** The agent dials one server and turns the roles round: from then on the server is the one that asks. */

import type { IncomingMessage } from 'node:http'
import { performServerHandshake, type ServerHttp2Session } from 'node:http2'
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { endWithPeer } from './liveness.ts'
import { connectionWindow, tunnelLimits, tunnelPath, tunnelProtocol, tunnelSettings } from './protocol.ts'

/** PEM: the node's own certificate and key, and the servers' CA. */
export interface AgentIdentity {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

export interface AgentSession {
  readonly session: ServerHttp2Session
  /** Bytes that have come in. */
  received(): number
}

const connectMs = 10_000

/**
 * `server` is "host:port". `begin` is given the session before anything that has come in on it is looked at. Rejects with the
 * reason in one line, or the signal's when it aborts first.
 */
export function connectTunnel(
  server: string,
  identity: AgentIdentity,
  begin: (session: ServerHttp2Session) => void,
  signal: AbortSignal,
): Promise<AgentSession> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const { hostname, port } = new URL(`https://${server}`)
    const call = request({
      ...identity,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 443 : Number(port),
      path: tunnelPath,
      headers: { Connection: 'Upgrade', Upgrade: tunnelProtocol },
      agent: false,
    })
    const giveUp = () =>
      call.destroy(signal.aborted ? signal.reason : new Error(`no answer within ${connectMs / 1000} s`))
    const timer = setTimeout(giveUp, connectMs)
    signal.addEventListener('abort', giveUp, { once: true })
    // The request's own signal and timeout would end the tunnel, too, long after it is one.
    const settled = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
    call.once('upgrade', (_: IncomingMessage, socket: Socket, head: Buffer) => {
      settled()
      const connected = turnRound(socket, head)
      begin(connected.session)
      resolve(connected)
    })
    call.once('response', answer => {
      refusal(answer)
        .then(text => reject(new Error(`${server} answers ${answer.statusCode}: ${text}`)), reject)
        .finally(settled)
    })
    call.once('error', error => {
      settled()
      reject(error)
    })
    call.end()
  })
}

function turnRound(socket: Socket, head: Buffer): AgentSession {
  socket.setTimeout(0)
  socket.setNoDelay(true)
  // What came right after the answer is HTTP/2 already.
  if (head.length > 0) socket.unshift(head)
  const session = performServerHandshake(socket, { settings: tunnelSettings, ...tunnelLimits })
  session.setLocalWindowSize(connectionWindow)
  endWithPeer(session, socket)
  return { session, received: () => socket.bytesRead }
}

async function refusal(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) {
    text += String(chunk)
    if (text.length > 2000) break
  }
  return statusMessage(text) ?? text.trim()
}

function statusMessage(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { message?: string }).message
  } catch {
    return undefined
  }
}
