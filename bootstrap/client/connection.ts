/** One HTTP/2 connection to an API server, made when needed and again when lost. */
import { on } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'

export interface ConnectionOptions {
  /** The server's URL; a path in it goes before every request's path. */
  readonly server: string
  /** Certificates in PEM that vouch for the server; the system's where left out. */
  readonly ca?: string | Buffer
  /** The client's own certificate and key, in PEM. */
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** The name the server's certificate must bear, where it is not that of the URL. */
  readonly serverName?: string
  /** Trust any server. */
  readonly insecure?: boolean
  /** In place of `ca`, `cert` and `key`, asked for at every connecting: for what is renewed meanwhile. */
  readonly identity?: () => { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** How often the server is asked whether it is still there, and how long it may take to answer, or to be connected to. */
  readonly pingEveryMs?: () => number
  readonly pingTimeoutMs?: number
  /** Told when it did not answer in that time. */
  readonly onSilence?: () => void
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: { readonly [name: string]: string | string[] }
  readonly body?: string
}

export interface Response {
  readonly status: number
  readonly headers: { readonly [name: string]: unknown }
  /** The body, read once. Rejects when it fails; a server that ends the connection ends it early. */
  readonly stream: AsyncIterable<Buffer> & { close(): void }
}

const usualPingEveryMs = () => 30_000
const usualPingTimeoutMs = 15_000

export class Connection {
  readonly #options: ConnectionOptions
  readonly #base: string
  #session: ClientHttp2Session | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#base = new URL(options.server).pathname.replace(/\/$/, '')
  }

  /** Sends a request; resolves once the response's headers are there. The signal ends the response's stream too. */
  async send(request: Request, signal?: AbortSignal): Promise<Response> {
    signal?.throwIfAborted()
    const session = this.#connected()
    const stream = session.request(
      { ...request.headers, ':method': request.method, ':path': `${this.#base}${request.path}` },
      { endStream: request.body === undefined, ...(signal ? { signal } : {}) },
    )
    const response = new Promise<Response>((resolve, reject) => {
      stream.once('error', error => reject(causeOf(error)))
      stream.once('close', () => reject(new Error('the connection was closed before a response came')))
      stream.once('response', headers =>
        resolve({ status: Number(headers[':status']), headers, stream: bodyOf(stream) }),
      )
    })
    if (request.body !== undefined) stream.end(request.body)
    return response
  }

  close(): void {
    this.#session?.close()
    this.#session = undefined
  }

  /** Ends the connection with everything that runs on it; the next request makes a new one, with the identity of then. */
  renew(): void {
    this.#session?.destroy()
    this.#session = undefined
  }

  #connected(): ClientHttp2Session {
    const known = this.#session
    if (known && !known.closed && !known.destroyed) return known
    const { serverName, insecure } = this.#options
    const { ca, cert, key } = this.#options.identity?.() ?? this.#options
    const session = connect(new URL(this.#options.server).origin, {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: insecure !== true,
    })
    const forget = () => {
      if (this.#session === session) this.#session = undefined
    }
    session.on('error', forget)
    session.on('goaway', () => {
      forget()
      session.close()
    })
    const stopPings = keepAlive(session, this.#options)
    session.on('close', () => {
      forget()
      stopPings()
    })
    this.#session = session
    return session
  }
}

/** What kept the connection from being made, where Node says only that its streams are cancelled. */
function causeOf(error: Error): Error {
  const isCancelled = (error as NodeJS.ErrnoException).code === 'ERR_HTTP2_STREAM_CANCEL'
  return isCancelled && error.cause ? (error.cause as Error) : error
}

function bodyOf(stream: ClientHttp2Stream): Response['stream'] {
  return { close: () => stream.close(), [Symbol.asyncIterator]: () => chunksOf(stream) }
}

/** Node's own iteration takes a body that has come whole, and is unread, for one that broke off: both are "closed" to it. */
async function* chunksOf(stream: ClientHttp2Stream): AsyncGenerator<Buffer, undefined> {
  if (!stream.readableEnded && !stream.destroyed) {
    const events = on(stream, 'data', { close: ['end', 'close'], highWaterMark: 64, lowWaterMark: 16 })
    try {
      for await (const [chunk] of events) yield chunk as Buffer
    } finally {
      if (!stream.readableEnded) stream.close()
    }
  }
  if (!stream.readableEnded)
    throw stream.errored ?? new Error('the connection was closed before all of the response came')
}

/** Notices a peer that has vanished without a word, or never said one. */
function keepAlive(session: ClientHttp2Session, options: ConnectionOptions): () => void {
  const { pingEveryMs = usualPingEveryMs, pingTimeoutMs = usualPingTimeoutMs, onSilence } = options
  let timer: NodeJS.Timeout
  const after = (ms: number, act: () => void) => {
    clearTimeout(timer)
    timer = setTimeout(act, ms)
    timer.unref()
  }
  const end = () => {
    onSilence?.()
    session.destroy(new Error('ping timed out'), constants.NGHTTP2_CANCEL)
  }
  const rest = () => after(pingEveryMs(), ping)
  const ping = () => {
    if (session.destroyed) return
    after(pingTimeoutMs, end)
    session.ping(rest)
  }
  // Until it is connected, and has said a first word.
  after(pingTimeoutMs, end)
  session.once('remoteSettings', rest)
  return () => clearTimeout(timer)
}
