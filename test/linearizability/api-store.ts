/** Registers as ConfigMaps of one API server, by HTTPS. */
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Observed, Output } from './history.ts'
import type { Change } from './revisions.ts'
import type { Store } from './store.ts'

export interface Access {
  readonly url: string
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
}

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
  readonly data?: { readonly value?: string }
}

interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says.
  readonly body: any
}

const label = 'check=register'
const path = '/api/v1/namespaces/default/configmaps'
const selector = `labelSelector=${encodeURIComponent(label)}`

export class ApiStore implements Store {
  #access: Access | undefined
  #agent: Agent | undefined
  /**
   * Behind a load balancer a connection leads to one server for as long as it lasts, also to one that cannot serve: those
   * are closed once their answer is read.
   */
  readonly #left = new WeakSet<Duplex>()

  /** From now on by this way; after a restart the port may be another. */
  connect(access: Access): void {
    this.#agent?.destroy()
    this.#access = access
    this.#agent = new Agent({ keepAlive: true, ...access.tls })
    this.#agent.keepSocketAlive = (socket: Duplex) => !this.#left.has(socket)
  }

  close(): void {
    this.#agent?.destroy()
  }

  async create(key: string, value: string): Promise<Output> {
    return this.#written(await this.#ask('POST', path, configMap(key, value)))
  }

  async update(key: string, value: string, expected: number): Promise<Output> {
    return this.#written(await this.#ask('PUT', `${path}/${key}`, configMap(key, value, expected)))
  }

  async remove(key: string, expected: number): Promise<Output> {
    const answer = await this.#ask('DELETE', `${path}/${key}`, { preconditions: { resourceVersion: String(expected) } })
    return answer.status === 200 ? { type: 'done' } : this.#written(answer)
  }

  #written({ status, body }: Answer): Output {
    if (status === 200 || status === 201) return { type: 'done', revision: observed(body).revision }
    if (status === 409 || status === 404) return { type: 'refused' }
    return { type: 'unknown', why: `${status} ${body?.message}` }
  }

  async get(key: string): Promise<Observed | null> {
    const { status, body } = await this.#ask('GET', `${path}/${key}`)
    if (status === 404) return null
    if (status !== 200) throw new Error(`${status} ${body?.message}`)
    return observed(body)
  }

  async list(): Promise<{ revision: number; entries: ReadonlyMap<string, Observed> }> {
    const { status, body } = await this.#ask('GET', `${path}?${selector}`)
    if (status !== 200) throw new Error(`${status} ${body?.message}`)
    const items = body.items as ConfigMap[]
    const entries = new Map(items.map(item => [item.metadata.name, observed(item)]))
    return { revision: Number(body.metadata.resourceVersion), entries }
  }

  async revision(): Promise<number> {
    return (await this.list()).revision
  }

  async ready(): Promise<boolean> {
    return (await this.#ask('GET', '/readyz')).status === 200
  }

  async watch(
    after: number,
    told: (changes: readonly Change[], revision: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${after}&${selector}`
    try {
      const response = await this.#send('GET', `${path}?${query}`, undefined, signal)
      if (response.statusCode !== 200) return void response.destroy()
      let rest = ''
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          const { type, object } = JSON.parse(line)
          if (type === 'ERROR') return void response.destroy()
          const { revision, value } = observed(object)
          if (type === 'BOOKMARK') told([], revision)
          else told([{ key: object.metadata.name, revision, ...(type === 'DELETED' ? {} : { value }) }], revision)
        }
      }
    } catch {
      // The connection has ended, as it may.
    }
  }

  async #ask(method: string, where: string, body?: object): Promise<Answer> {
    const response = await this.#send(method, where, body)
    if (response.statusCode! >= 500) this.#left.add(response.socket)
    const answer = await text(response)
    return { status: response.statusCode!, body: answer.startsWith('{') ? JSON.parse(answer) : { message: answer } }
  }

  #send(method: string, where: string, body?: object, signal?: AbortSignal): Promise<IncomingMessage> {
    const access = this.#access!
    const url = new URL(where, access.url)
    const content = body && Buffer.from(JSON.stringify(body))
    // Node sends a DELETE's body without its length unless told.
    const headers = content ? { 'content-type': 'application/json', 'content-length': content.length } : {}
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, agent: this.#agent, ...(signal ? { signal } : {}) }, resolve)
      sent.on('error', reject)
      sent.end(content)
    })
  }
}

function configMap(name: string, value: string, revision?: number): object {
  const [key, text] = label.split('=')
  const metadata = {
    name,
    labels: { [key!]: text },
    ...(revision === undefined ? {} : { resourceVersion: String(revision) }),
  }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { value } }
}

function observed({ metadata, data }: ConfigMap): Observed {
  return { value: data?.value ?? '', revision: Number(metadata.resourceVersion) }
}
