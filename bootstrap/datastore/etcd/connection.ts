/** gRPC to one etcd cluster: unary calls that move on to the next endpoint when one fails, and streams. */
import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { Codec, type Message } from '../../protobuf/codec.ts'
import type { Clock } from '../effects.ts'
import type { TlsMaterial } from '../tls-files.ts'
import { EtcdError } from './errors.ts'
import { etcdDescriptors } from './messages.ts'

export interface ConnectionOptions {
  /** "http://host:port", "https://host:port" or "unix:///path"; several name members of one cluster. */
  readonly endpoints: readonly string[]
  readonly tls?: TlsMaterial
  readonly clock: Clock
  /** How long a call is repeated before its caller is told; 15 seconds, enough for an election. */
  readonly limitMs?: number
}

export interface CallOptions {
  /** Whole time with all repetitions. */
  readonly limitMs?: number
  /** False: one attempt only, for requests that must not be repeated. */
  readonly repeat?: boolean
  readonly signal?: AbortSignal
  /** Repeated only where it certainly had no effect. */
  readonly exact?: boolean
}

/** The one stream that ends with its client's half. */
export const watchMethod = 'Watch/Watch'

/** A member that does not answer within this is given up for the next one. */
const attemptMs = 5000
export const defaultLimitMs = 15_000
/** What a call is given while nobody answers. */
const downMs = 1000
const firstPauseMs = 30
const longestPauseMs = 500

export class Connection {
  readonly #codec = new Codec(etcdDescriptors)
  readonly #clients: readonly Client[]
  readonly #clock: Clock
  readonly #closed = new AbortController()
  readonly #limitMs: number
  readonly #leaderOnly = new Metadata()
  #current = 0
  /** Nobody answered for as long as a call may take. */
  #down = false

  constructor({ endpoints, tls, clock, limitMs = defaultLimitMs }: ConnectionOptions) {
    this.#limitMs = limitMs
    this.#clock = clock
    this.#clients = endpoints.map(endpoint => clientOf(endpoint, tls))
    this.#leaderOnly.set('hasleader', 'true')
  }

  close(): void {
    this.#closed.abort()
    for (const client of this.#clients) client.close()
  }

  /**
   * `method` is "Service/Method" of etcdserverpb. Throws EtcdError once repeating is of no use or the time is up. Once a call
   * has used up its time, others fail within a second until one gets through.
   */
  async call<Answer>(method: string, request: object, options: CallOptions = {}): Promise<Answer> {
    const { limitMs = this.#limitMs, repeat = true } = options
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closed.signal]) : this.#closed.signal
    const until = performance.now() + (this.#down && repeat ? Math.min(limitMs, downMs) : limitMs)
    let said: EtcdError | undefined
    for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
      const index = this.#current
      const left = until - performance.now()
      try {
        const answer = await this.#attempt(index, method, request, repeat ? Math.min(attemptMs, left) : left, signal)
        this.#down = false
        return answer as Answer
      } catch (thrown) {
        const error = thrown as EtcdError
        const { failure } = error
        const passing = failure === 'unknown' || failure === 'refused'
        if (passing) this.#leave(index)
        const late = performance.now() + pause >= until
        if (passing && repeat && late) this.#down = true
        // That the time is up says less than what went wrong before.
        if (error.code !== status.DEADLINE_EXCEEDED) said = error
        const open = failure === 'unknown' && options.exact === true
        if (!passing || !repeat || open || late || signal.aborted) throw passing ? (said ?? error) : error
      }
      await this.#clock.sleep(pause, signal).catch(() => undefined)
    }
  }

  /**
   * Opens a stream of answers to one request on the member in use. Whoever iterates holds the sender back. A broken stream
   * makes the next one go elsewhere.
   */
  async *stream<Answer>(method: string, request: object, signal: AbortSignal): AsyncGenerator<Answer> {
    if (signal.aborted || this.#closed.signal.aborted) return
    const index = this.#current
    const call = this.#open(index, method)
    const cancel = () => call.cancel()
    call.on('error', () => undefined)
    signal.addEventListener('abort', cancel, { once: true })
    this.#closed.signal.addEventListener('abort', cancel, { once: true })
    try {
      call.write(request)
      if (method !== watchMethod) call.end()
      for await (const answer of call) yield answer as Answer
    } catch (error) {
      if (signal.aborted || this.#closed.signal.aborted) return
      this.#leave(index)
      throw new EtcdError(error as ServiceError)
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#closed.signal.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  #open(index: number, method: string): ClientDuplexStream<object, Message> {
    const { encode, decode, path } = this.#forms(method)
    return this.#clients[index]!.makeBidiStreamRequest(path, encode, decode, this.#leaderOnly)
  }

  #attempt(index: number, method: string, request: object, ms: number, signal: AbortSignal): Promise<Message> {
    const { encode, decode, path } = this.#forms(method)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new EtcdError(closed))
      const done = (error: ServiceError | null, answer?: Message) => {
        signal.removeEventListener('abort', cancel)
        if (error) reject(new EtcdError(error))
        else resolve(answer ?? {})
      }
      const deadline = Date.now() + Math.max(1, ms)
      const call = this.#clients[index]!.makeUnaryRequest(path, encode, decode, request, { deadline }, done)
      const cancel = () => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  #forms(method: string) {
    const [, name = method] = method.split('/')
    return {
      path: `/etcdserverpb.${method}`,
      encode: (value: object) => this.#codec.encode(`${name}Request`, value),
      decode: (data: Buffer) => this.#codec.decode(`${name}Response`, data),
    }
  }

  #leave(index: number): void {
    if (this.#current === index) this.#current = (index + 1) % this.#clients.length
  }
}

const closed = { code: status.CANCELLED, details: 'the connection is closed', message: '' }

function clientOf(endpoint: string, tls: TlsMaterial | undefined): Client {
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text))
  const secure = endpoint.startsWith('https://')
  const address = endpoint.replace(/^https?:\/\//, '').replace(/\/+$/, '')
  // TLS knows no server name that is an address; the certificate is checked for the address all the same.
  const host = address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const nameless = isIP(host) !== 0
  const checks = nameless
    ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(host, cert) }
    : {}
  const channel = secure
    ? credentials.createSsl(pem(tls?.ca), pem(tls?.key), pem(tls?.cert), checks)
    : credentials.createInsecure()
  return new Client(address, channel, {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.min_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    ...(secure && nameless ? { 'grpc.ssl_target_name_override': 'localhost' } : {}),
    ...(isLoopback(address) ? {} : { 'grpc.keepalive_time_ms': 10_000, 'grpc.keepalive_timeout_ms': 5000 }),
  })
}

/** A machine of its own can vanish without a word; this one cannot. */
const isLoopback = (address: string) => /^(unix:|127\.|\[::1\]|localhost\b)/.test(address)
