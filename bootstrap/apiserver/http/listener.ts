/** The API over TLS: HTTP/2 and HTTP/1.1 on one port, limits, upgrades, a certificate that can change while running. */
import type { X509Certificate } from 'node:crypto'
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext, TLSSocket } from 'node:tls'
import { errors } from '../../api/errors.ts'
import { lastWords } from '../../streaming/http.ts'
import { Lifetime } from './lifetime.ts'
import type { ApiRequest, ApiResponse, RequestHeaders } from './message.ts'
import { send } from './send.ts'

export const maxBodyBytes = 3 * 1024 * 1024
const maxStreams = 1000
const maxSessionMegabytes = 1000
const drainMs = 2000

type SniDone = (error: Error | null, context?: SecureContext) => void

export interface TlsMaterial {
  /** PEM. */
  readonly key: string | Buffer
  readonly cert: string | Buffer
}

export interface ListenOptions extends TlsMaterial {
  readonly port: number
  readonly host?: string
  /** PEM of the CAs client certificates are asked for; what they are worth is for the authenticator. */
  readonly clientCa?: string | Buffer
  /** Asked for each name and address a client connects to; undefined: the certificate as it is. */
  readonly certificateFor?: (name: string) => SecureContext | undefined
  /** HTTP/1.1 upgrades. The handler owns the socket from then on. */
  readonly onUpgrade?: (request: ApiRequest, socket: Duplex, head: Buffer) => void
}

export interface Listening {
  readonly port: number
  /** New connections get this certificate; and other CAs for those of clients, where it names some. */
  setCertificate(material: TlsMaterial & Pick<ListenOptions, 'clientCa'>): void
  /** Refuses new connections, ends watches cleanly, waits briefly for the rest. */
  close(): Promise<void>
}

type AnyRequest = IncomingMessage | Http2ServerRequest
type AnyResponse = ServerResponse | Http2ServerResponse
export type Handle = (request: ApiRequest) => Promise<ApiResponse>

export async function listen(handle: Handle, options: ListenOptions): Promise<Listening> {
  const open = new Set<Lifetime>()
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()
  let ca = options.clientCa
  const { certificateFor } = options
  const server = createSecureServer({
    allowHTTP1: true,
    ...(certificateFor ? { SNICallback: (name: string, done: SniDone) => done(null, certificateFor(name)) } : {}),
    key: options.key,
    cert: options.cert,
    ...(options.clientCa === undefined ? {} : { ca: options.clientCa }),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    // Node refuses streams beyond 10 MB in flight by default; many watches of large objects need more.
    maxSessionMemory: maxSessionMegabytes,
    settings: { maxConcurrentStreams: maxStreams, initialWindowSize: 1024 * 1024 },
  })
  // Before the handshake begins: who connects to an address sends no name.
  server.prependListener('connection', ({ localAddress = '' }: Socket) => certificateFor?.(localAddress))
  server.on('connection', (socket: Socket) => {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('session', session => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    session.on('error', () => session.destroy())
  })
  server.on('request', (request: AnyRequest, response: AnyResponse) => {
    void serve(handle, request, response, open)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const lifetime = new Lifetime(open)
    socket.once('close', () => lifetime.close())
    socket.on('error', () => lifetime.close())
    if (options.onUpgrade) options.onUpgrade(apiRequest(request, lifetime), socket, head)
    else lastWords(socket, 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  })
  withoutHttp1Timeouts(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host ?? '::', () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate({ key, cert, clientCa = ca }) {
      ca = clientCa
      server.setSecureContext({ key, cert, ...(ca === undefined ? {} : { ca }) })
    },
    close: () => close(server, sockets, sessions, open),
  }
}

/** Watches over HTTP/1.1 last longer than Node's request timeouts allow. */
function withoutHttp1Timeouts(server: Http2SecureServer): void {
  const http1 = server as unknown as Pick<HttpServer, 'requestTimeout' | 'keepAliveTimeout'>
  http1.requestTimeout = 0
  http1.keepAliveTimeout = 180_000
  server.setTimeout(0)
}

async function close(
  server: Http2SecureServer,
  sockets: ReadonlySet<Socket>,
  sessions: ReadonlySet<ServerHttp2Session>,
  open: ReadonlySet<Lifetime>,
): Promise<void> {
  for (const lifetime of [...open]) lifetime.stop()
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, drainMs)
  for (const session of sessions) session.close()
  ;(server as unknown as { closeIdleConnections?: () => void }).closeIdleConnections?.()
  await closed
  clearTimeout(timer)
}

async function serve(handle: Handle, request: AnyRequest, response: AnyResponse, open: Set<Lifetime>): Promise<void> {
  const lifetime = new Lifetime(open)
  response.once('close', () => lifetime.close())
  response.on('error', () => lifetime.close())
  request.on('error', () => lifetime.close())
  const incoming = apiRequest(request, lifetime)
  const answer = await handle(incoming)
  await send(incoming, answer, response as ServerResponse, lifetime)
}

function apiRequest(request: AnyRequest, lifetime: Lifetime): ApiRequest {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const socket = (
    'stream' in request ? (request.stream.session?.socket ?? request.socket) : request.socket
  ) as TLSSocket
  return {
    method: request.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
    headers: request.headers as RequestHeaders,
    body: readBody(request),
    get signal() {
      return lifetime.signal
    },
    remoteAddress: socket.remoteAddress ?? '',
    peerCertificate: peerCertificate(socket),
  }
}

const certificates = new WeakMap<TLSSocket, X509Certificate | null>()

/** The client's certificate, parsed once per connection. */
function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  let known = certificates.get(socket)
  if (known === undefined) certificates.set(socket, (known = socket.getPeerX509Certificate?.() ?? null))
  return known ?? undefined
}

/** Reads the body once, on demand, up to the limit. */
function readBody(request: AnyRequest): () => Promise<Buffer> {
  let body: Promise<Buffer> | undefined
  return () => (body ??= collect(request))
}

/** Beyond the limit the rest is let through unread, so that the client gets to see the answer. */
function collect(request: AnyRequest): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBodyBytes) chunks.push(chunk)
      else reject(errors.tooLarge(maxBodyBytes))
    })
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    // A client that goes away in the middle of its body is no failure of the server.
    const cutOff = () => reject(errors.badRequest('the request ended before its body did'))
    request.once('error', cutOff)
    // Every request closes; the error, with its stack, is made only for one that has not ended by then.
    request.once('close', () => {
      if (!request.readableEnded) cutOff()
    })
  })
}
