/** The benches' own client: one HTTP/2 connection, as little work per request as Node allows. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { RemoteOptions } from '../../bootstrap/client/remote.ts'

export type Target = Pick<RemoteOptions, 'server' | 'ca' | 'cert' | 'key'>

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

export class Http {
  readonly #session: ClientHttp2Session

  private constructor(session: ClientHttp2Session) {
    this.#session = session
  }

  /** Resolves once the connection stands, rejects when it cannot be made. */
  static open({ server, ca, cert, key }: Target): Promise<Http> {
    return new Promise((resolve, reject) => {
      const settings = { initialWindowSize: 16 * 1024 * 1024 }
      const session = connect(server, { ca: ca!, cert: cert!, key: key!, settings })
      session.once('error', reject)
      session.once('connect', () => {
        session.setLocalWindowSize(64 * 1024 * 1024)
        session.on('error', () => session.destroy())
        resolve(new Http(session))
      })
    })
  }

  /** The raw stream of a request without a body. */
  stream(path: string): ClientHttp2Stream {
    return this.#session.request({ ':path': path, accept: 'application/json' })
  }

  request(method: string, path: string, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = {
        ':method': method,
        ':path': path,
        accept: 'application/json',
        'content-type': 'application/json',
      }
      const stream = this.#session.request(headers, { endStream: body === undefined })
      const chunks: Buffer[] = []
      let status = 0
      stream.once('response', got => (status = Number(got[':status'])))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.once('error', reject)
      stream.once('end', () => resolve({ status, body: Buffer.concat(chunks) }))
      if (body !== undefined) stream.end(body)
    })
  }

  /** Sends a body and rejects unless it is created. */
  async create(path: string, body: string): Promise<void> {
    const answer = await this.request('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`)
  }

  close(): void {
    this.#session.destroy()
  }
}

/** Runs `work` with `count` connections of its own. */
export async function withClients<T>(
  target: Target,
  count: number,
  work: (clients: readonly Http[]) => Promise<T>,
): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => Http.open(target)))
  try {
    return await work(clients)
  } finally {
    for (const client of clients) client.close()
  }
}
