/** The agent's end of one tunnel: dials what the API server asks for, where the policy allows it. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { joinStreams } from '../streaming/join.ts'
import type { EgressPolicy } from './policy.ts'
import { authorityOf, parseAuthority, type Target } from './protocol.ts'

export interface AcceptOptions {
  readonly policy: EgressPolicy
  /** A connection to the target; net.connect unless given. */
  readonly open?: (target: Target) => Socket
}

export function acceptStreams(session: ServerHttp2Session, { policy, open = openTcp }: AcceptOptions): void {
  session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => {})
    const authority = headers[':authority'] ?? ''
    const asked = headers[':method'] === 'CONNECT' ? parseAuthority(authority) : undefined
    if (!asked) return refuse(stream, 400, `want CONNECT host:port, not ${headers[':method']} ${authority}`)
    const target = policy(asked)
    if (!target) return refuse(stream, 403, `connect not allowed to ${authorityOf(asked)}`)
    pass(stream, open(target))
  })
}

const openTcp = ({ host, port }: Target) => connect({ host, port, allowHalfOpen: true, noDelay: true })

function pass(stream: ServerHttp2Stream, socket: Socket): void {
  const failed = (error: Error) => refuse(stream, 502, error.message)
  const gone = () => socket.destroy()
  socket.once('error', failed)
  stream.once('close', gone)
  socket.once('connect', () => {
    socket.off('error', failed)
    // Reset, but not yet closed: an answer would throw.
    if (stream.closed || stream.destroyed) return void gone()
    stream.off('close', gone)
    stream.respond({ ':status': 200 })
    const givenUp = () => stream.destroy()
    stream.once('aborted', givenUp)
    // An end that was no end must not look like one at the other side of the tunnel.
    socket.on('error', () => {
      stream.off('aborted', givenUp)
      stream.close(constants.NGHTTP2_CONNECT_ERROR)
    })
    joinStreams(stream, socket)
  })
}

function refuse(stream: ServerHttp2Stream, status: number, text: string): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond({ ':status': status, 'content-type': 'text/plain; charset=utf-8' })
  stream.end(`${text}\n`)
}
