/** Port-forward: connections as pairs of SPDY streams, data and error, that belong together by their request id. */
import { finished } from 'node:stream/promises'
import type { SpdyHeaders } from '../../../streaming/spdy/headers.ts'
import type { SpdySession, SpdySessionOptions } from '../../../streaming/spdy/session.ts'
import type { SpdyStream } from '../../../streaming/spdy/stream.ts'
import type { Forwarder } from './forwarders.ts'

interface Pair {
  data?: SpdyStream
  error?: SpdyStream
  readonly timer: NodeJS.Timeout
}

export class PortForwardStreams {
  readonly #creationTimeoutMs: number
  readonly #pairs = new Map<string, Pair>()
  readonly #forwarder = Promise.withResolvers<Forwarder>()

  constructor(creationTimeoutMs: number) {
    this.#creationTimeoutMs = creationTimeoutMs
  }

  readonly sessionOptions: Pick<SpdySessionOptions, 'accepts' | 'onStream'> = {
    accepts: headers => validHeaders(headers),
    onStream: stream => this.#add(stream),
  }

  /** Connections made before are served from now on. */
  serve(session: SpdySession, forwarder: Forwarder): void {
    session.closed.addEventListener(
      'abort',
      () => {
        for (const { timer } of this.#pairs.values()) clearTimeout(timer)
      },
      { once: true },
    )
    this.#forwarder.resolve(forwarder)
  }

  #add(stream: SpdyStream): void {
    const type = stream.headers.streamtype === 'data' ? 'data' : 'error'
    const id = requestId(stream)
    const pair = this.#pairs.get(id) ?? this.#newPair(id)
    if (pair[type]) {
      pair.error?.end(`error processing stream for request ${id}: ${type} stream already assigned`)
      stream.destroy()
      return
    }
    pair[type] = stream
    const { data, error } = pair
    if (!data || !error) return
    clearTimeout(pair.timer)
    this.#pairs.delete(id)
    void this.#run(data, error)
  }

  #newPair(id: string): Pair {
    const expire = () => {
      this.#pairs.delete(id)
      pair.error?.end(`(request=${id}) timed out waiting for streams`)
      pair.data?.destroy()
    }
    const pair: Pair = { timer: setTimeout(expire, this.#creationTimeoutMs).unref() }
    this.#pairs.set(id, pair)
    return pair
  }

  async #run(data: SpdyStream, error: SpdyStream): Promise<void> {
    error.resume()
    const port = Number(data.headers.port)
    const forwarder = await this.#forwarder.promise
    const message = await forwarder.forward(port, data).catch((failed: Error) => failed.message)
    data.end()
    await finished(data, { readable: false }).catch(() => undefined)
    error.end(message)
  }
}

function validHeaders({ port = '', streamtype = '' }: SpdyHeaders): boolean {
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0
  return number >= 1 && number <= 65_535 && (streamtype === 'data' || streamtype === 'error')
}

/** Clients without request ids open the error stream and then its data stream, whose number is higher by two. */
function requestId({ id, headers }: SpdyStream): string {
  return headers.requestid ?? String(headers.streamtype === 'data' ? id - 2 : id)
}
