/**
 * As much of gRPC over HTTP/2 as the container runtime's Unix socket needs: unary calls with a deadline, and streams of answers.
 * The general library costs a node 5 MB. (grpc/grpc doc/PROTOCOL-HTTP2.md)
 */
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import { createConnection } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Numbers of google.rpc.Code. */
export const grpcCode = { cancelled: 1, unknown: 2, deadlineExceeded: 4, internal: 13, unavailable: 14 } as const

export class GrpcError extends Error {
  readonly code: number

  constructor(message: string, code: number) {
    super(message)
    this.name = 'GrpcError'
    this.code = code
  }
}

export interface CallOptions {
  /** 0 for none. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal | undefined
}

const windowBytes = 1024 * 1024
const connectEveryMs = 20

export class GrpcChannel {
  readonly #path: string
  #session: ClientHttp2Session | undefined
  #closed = false

  /** `path` is that of a Unix socket. It connects when first used, and again when the connection is lost. */
  constructor(path: string) {
    this.#path = path
  }

  close(): void {
    this.#closed = true
    this.#session?.destroy()
  }

  /** Resolves once the socket accepts connections; rejects with GrpcError after the time. */
  async ready(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs
    for (;;) {
      const session = this.#connected()
      const failure = await (session.connecting ? settled(session) : undefined)
      if (!failure) return
      if (this.#closed || performance.now() >= until) throw new GrpcError(failure, grpcCode.unavailable)
      await delay(connectEveryMs)
    }
  }

  /** One request, one answer, both encoded messages. Rejects with GrpcError. */
  async unary(method: string, request: Buffer, { deadlineMs = 0, signal }: CallOptions = {}): Promise<Buffer> {
    const ending = new AbortController()
    const timer = deadlineMs > 0 ? setTimeout(() => ending.abort(late), deadlineMs) : undefined
    try {
      const all = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal
      let answer: Buffer | undefined
      for await (const message of this.stream(method, request, all)) answer = message
      if (!answer) throw new GrpcError('the answer is missing', grpcCode.internal)
      return answer
    } finally {
      clearTimeout(timer)
    }
  }

  /** One request and every answer to it. Rejects with GrpcError; code 1 once the signal has aborted. */
  async *stream(method: string, request: Buffer, signal?: AbortSignal): AsyncGenerator<Buffer> {
    if (signal?.aborted) throw ended(signal)
    const call = this.#open(method)
    const abort = () => call.close(constants.NGHTTP2_CANCEL)
    signal?.addEventListener('abort', abort, { once: true })
    call.on('error', () => {})
    const status = statusOf(call)
    try {
      call.end(framed(request))
      yield* messages(call)
      const { code, message } = await status
      if (code !== 0) throw new GrpcError(message, code)
    } catch (error) {
      if (signal?.aborted) throw ended(signal)
      throw error instanceof GrpcError ? error : new GrpcError((error as Error).message, grpcCode.unavailable)
    } finally {
      signal?.removeEventListener('abort', abort)
      abort()
    }
  }

  #open(method: string): ClientHttp2Stream {
    if (this.#closed) throw new GrpcError('the connection is closed', grpcCode.cancelled)
    const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' }
    return this.#connected().request(headers)
  }

  #connected(): ClientHttp2Session {
    const known = this.#session
    if (known && !known.closed && !known.destroyed) return known
    const session = connect('http://localhost', {
      createConnection: () => createConnection(this.#path),
      settings: { initialWindowSize: windowBytes, enablePush: false },
    })
    const forget = () => {
      if (this.#session === session) this.#session = undefined
    }
    session.on('error', forget)
    session.once('close', forget)
    session.once('goaway', () => {
      forget()
      session.close()
    })
    session.once('connect', () => session.setLocalWindowSize(windowBytes))
    this.#session = session
    return session
  }
}

const late = new GrpcError('Deadline exceeded', grpcCode.deadlineExceeded)

function ended(signal: AbortSignal): GrpcError {
  return signal.reason instanceof GrpcError ? signal.reason : new GrpcError('Cancelled on client', grpcCode.cancelled)
}

/** Why the session could not be connected; undefined when it was. */
async function settled(session: ClientHttp2Session): Promise<string | undefined> {
  try {
    await once(session, 'connect')
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

interface Status {
  readonly code: number
  readonly message: string
}

/** How the call went, from the trailers, or from the headers of an answer that is nothing else. */
function statusOf(call: ClientHttp2Stream): Promise<Status> {
  return new Promise(resolve => {
    const read = (headers: { readonly [name: string]: unknown }) => {
      const code = headers['grpc-status']
      if (code !== undefined)
        resolve({ code: Number(code), message: decodeURIComponent(String(headers['grpc-message'] ?? '')) })
    }
    call.once('response', headers => {
      read(headers)
      const status = headers[':status']
      if (status !== 200) resolve({ code: grpcCode.unknown, message: `the runtime answered with HTTP ${status}` })
    })
    call.once('trailers', read)
    call.once('close', () => resolve({ code: grpcCode.unavailable, message: 'Connection dropped' }))
  })
}

/** A message on the wire: not compressed, its length, itself. */
function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  message.copy(frame, 5)
  return frame
}

async function* messages(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    held.push(chunk)
    size += chunk.length
    while (size >= 5) {
      const head = held[0]!.length >= 5 ? held[0]! : Buffer.concat(held)
      const length = 5 + head.readUInt32BE(1)
      if (size < length) break
      const all = held.length === 1 ? held[0]! : Buffer.concat(held)
      yield all.subarray(5, length)
      held = length < all.length ? [all.subarray(length)] : []
      size -= length
    }
  }
}
