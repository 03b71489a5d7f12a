/** A client that shows the API's answers as they are: status, headers, JSON. */
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into at will
export type Json = any

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly body: Json
}

export interface Ask {
  readonly body?: unknown
  readonly type?: string
  readonly accept?: string
  readonly headers?: { readonly [name: string]: string | string[] }
}

/** Where a server is, and as whom to speak to it: by certificate, or, without one, as nobody. */
export interface Peer {
  readonly url: string
  readonly tls: { readonly ca: string; readonly cert?: string; readonly key?: string }
}

export class HttpClient {
  readonly #url: string
  readonly #agent: Agent
  readonly #token: string | undefined

  /** As the administrator, or with a token. */
  constructor(server: Peer, token?: string) {
    const { ca, cert, key } = server.tls
    this.#url = server.url
    this.#token = token
    this.#agent = new Agent({
      ca,
      keepAlive: true,
      ...(token === undefined && cert !== undefined ? { cert, key } : {}),
    })
  }

  ask(
    method: string,
    path: string,
    { body, type = 'application/json', accept, headers = {} }: Ask = {},
  ): Promise<Answer> {
    const data =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
    const sent = {
      ...(data === undefined ? {} : { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(data)) }),
      ...(accept ? { Accept: accept } : {}),
      ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }),
      ...headers,
    }
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.#url}${path}`, { method, headers: sent, agent: this.#agent }, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parsed(text) })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(data)
    })
  }

  get = (path: string, ask?: Ask) => this.ask('GET', path, ask)
  post = (path: string, body: unknown, ask?: Ask) => this.ask('POST', path, { ...ask, body })
  put = (path: string, body: unknown, ask?: Ask) => this.ask('PUT', path, { ...ask, body })
  delete = (path: string, body?: unknown, ask?: Ask) => this.ask('DELETE', path, { ...ask, body })
  patch = (path: string, type: string, body: unknown, ask?: Ask) => this.ask('PATCH', path, { ...ask, type, body })

  /** Asks again until the answer is as wanted; for what controllers do in their own time. */
  async until(path: string, wanted: (answer: Answer) => boolean, seconds = 20): Promise<Answer> {
    const end = Date.now() + seconds * 1000
    for (;;) {
      const answer = await this.get(path)
      if (wanted(answer)) return answer
      if (Date.now() > end) throw new Error(`${path} stays ${answer.status}: ${answer.text.slice(0, 2000)}`)
      await delay(30)
    }
  }

  /** The events of a watch that ends by itself (timeoutSeconds). */
  async events(path: string, ask?: Ask): Promise<Json[]> {
    const { text } = await this.get(path, ask)
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line))
  }

  close(): void {
    this.#agent.destroy()
  }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
