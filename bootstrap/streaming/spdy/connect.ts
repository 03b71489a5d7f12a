/** Becoming an SPDY/3.1 session by HTTP upgrade, as client and as server. */
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { headerList, refuseUpgrade, switchProtocols } from '../http.ts'
import { PatientSocket } from './patient-socket.ts'
import { SpdySession, type SpdySessionOptions } from './session.ts'

const protocolHeader = 'x-stream-protocol-version'

/** Opens a session with a streaming server at an http URL. Rejects with the server's words when it refuses. */
export function connectSpdy(url: string, protocol: string, signal: AbortSignal): Promise<SpdySession> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: 'POST',
      createConnection: () => new PatientSocket().connect(Number(port), hostname),
      signal,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', [protocolHeader]: protocol, 'content-length': '0' },
    })
    call.on('upgrade', (_, socket: Socket, head) => {
      socket.setNoDelay(true)
      if (head.length > 0) socket.unshift(head)
      resolve(new SpdySession(socket, { server: false }))
    })
    call.on('response', response => {
      text(response).then(
        words => reject(new Error(words.trim() || `unexpected status ${response.statusCode}`)),
        reject,
      )
    })
    call.on('error', reject)
    call.end()
  })
}

/** The first of the client's protocol versions that is known; "" when it names none; undefined when none is known. */
export function negotiate(request: Pick<IncomingMessage, 'headers'>, known: readonly string[]): string | undefined {
  const offered = headerList(request.headers, protocolHeader)
  return offered.length === 0 ? '' : offered.find(protocol => known.includes(protocol))
}

/** Answers the client's upgrade and serves it; undefined when there is no common protocol version (403 was sent). */
export function acceptSpdy(
  request: Pick<IncomingMessage, 'headers'>,
  socket: Duplex,
  head: Buffer,
  known: readonly string[],
  options: (protocol: string) => Omit<SpdySessionOptions, 'server'>,
): { readonly session: SpdySession; readonly protocol: string } | undefined {
  const protocol = negotiate(request, known)
  if (protocol === undefined) {
    const offered = headerList(request.headers, protocolHeader).join(' ')
    const words = `unable to upgrade: unable to negotiate protocol: client supports [${offered}], server accepts [${known.join(' ')}]`
    refuseUpgrade(socket, 403, words, { 'X-Accepted-Stream-Protocol-Versions': known.join(',') })
    return undefined
  }
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1' }
  switchProtocols(socket, protocol === '' ? headers : { ...headers, 'X-Stream-Protocol-Version': protocol }, head)
  return { session: new SpdySession(socket, { server: true, ...options(protocol) }), protocol }
}
