/** exec and attach over SPDY: one stream each for input, output, error output, terminal size and the result. */
import { errorBytes, type StreamFlags, type StreamSet } from '../stream-set.ts'
import type { SpdySession, SpdySessionOptions } from './session.ts'
import type { SpdyStream } from './stream.ts'

/** Versions of the remote command protocol, the newest first. */
export const commandProtocols = [
  'v4.channel.k8s.io',
  'v3.channel.k8s.io',
  'v2.channel.k8s.io',
  'channel.k8s.io',
] as const

/** The names of the streams that belong to a command; terminal sizes came with v3. */
export function commandStreamTypes(flags: StreamFlags, protocol: string): string[] {
  const resizable = flags.tty && /^v[345]\./.test(protocol)
  return [
    'error',
    ...(flags.stdin ? ['stdin'] : []),
    ...(flags.stdout ? ['stdout'] : []),
    ...(flags.stderr ? ['stderr'] : []),
    ...(resizable ? ['resize'] : []),
  ]
}

/** Collects the streams a client opens, until all are there. */
export class CommandStreams {
  readonly #expected: readonly string[]
  readonly #streams = new Map<string, SpdyStream>()
  readonly #complete = Promise.withResolvers<void>()
  readonly #protocol: string

  constructor(flags: StreamFlags, protocol: string) {
    this.#protocol = protocol
    this.#expected = commandStreamTypes(flags, protocol)
  }

  readonly sessionOptions: Pick<SpdySessionOptions, 'accepts' | 'onStream'> = {
    accepts: ({ streamtype = '' }) => this.#expected.includes(streamtype) && !this.#streams.has(streamtype),
    onStream: stream => {
      this.#streams.set(stream.headers.streamtype ?? '', stream)
      if (this.#streams.size === this.#expected.length) this.#complete.resolve()
    },
  }

  /** Rejects when the client goes away or has not opened them all after `timeoutMs`. */
  async ready(session: SpdySession, timeoutMs: number): Promise<StreamSet> {
    const { resolve, reject, promise } = this.#complete
    const timer = setTimeout(() => reject(new Error('timed out waiting for client to create streams')), timeoutMs)
    timer.unref()
    const gone = () => reject(new Error('the client went away'))
    session.closed.addEventListener('abort', gone, { once: true })
    try {
      await promise
    } finally {
      clearTimeout(timer)
      session.closed.removeEventListener('abort', gone)
      resolve()
    }
    return this.#set(session)
  }

  #set(session: SpdySession): StreamSet {
    const [stdin, stdout, stderr, resize] = ['stdin', 'stdout', 'stderr', 'resize'].map(name => this.#streams.get(name))
    return {
      ...(stdin && { stdin }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      ...(resize && { resize }),
      closed: session.closed,
      finish: status => {
        const error = this.#streams.get('error')!
        error.end(errorBytes(status, /^v[45]\./.test(this.#protocol)), () => session.close())
      },
    }
  }
}
