/** The client's transport to any API server over HTTP/2. */
import { type Status, StatusError } from '../api/errors.ts'
import { apiVersionOf, type KubeObject } from '../api/object.ts'
import type {
  Client,
  DeleteOptions,
  ListOptions,
  ListResult,
  Name,
  PatchOptions,
  PatchType,
  Resource,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './client.ts'
import { type Clock, systemClock } from './clock.ts'
import { Connection, type ConnectionOptions, type Request } from './connection.ts'
import { collectionPath, objectPath, queryText } from './paths.ts'

export interface RemoteOptions extends ConnectionOptions {
  /** A bearer token, or how to get the current one. */
  readonly token?: string | (() => string | Promise<string>)
  readonly userAgent?: string
  /** For the waits a busy server asks for. */
  readonly clock?: Clock
}

/** What carries requests: a connection, or the server itself where it is in this process. */
export interface Wire {
  send(request: Request, signal?: AbortSignal): Promise<WireResponse>
  close(): void
}

export interface WireResponse {
  readonly status: number
  readonly headers: { readonly [name: string]: unknown }
  readonly stream: AsyncIterable<Buffer> & { close(): void }
}

type Headers = { readonly [name: string]: string | string[] }

const contentTypes: { readonly [type in PatchType]: string } = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

const maxRetries = 10

/** Makes a client of a server elsewhere. It connects on first use; `close` ends the connection. */
export function remoteClient(options: RemoteOptions): Client & { close(): void } {
  return wireClient(new Connection(options), options)
}

/** The same client over another way to a server, e.g. a connection that several clients share. */
export function wireClient(
  wire: Wire,
  options: Omit<RemoteOptions, keyof ConnectionOptions>,
): Client & { close(): void } {
  return new RemoteClient(wire, options, {})
}

class RemoteClient implements Client {
  readonly #connection: Wire
  readonly #options: Omit<RemoteOptions, keyof ConnectionOptions>
  readonly #identity: Headers

  constructor(connection: Wire, options: Omit<RemoteOptions, keyof ConnectionOptions>, identity: Headers) {
    this.#connection = connection
    this.#options = options
    this.#identity = identity
  }

  get<T extends KubeObject>(resource: Resource<T>, name: Name): Promise<T> {
    return this.#json('GET', objectPath(resource, name))
  }

  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const { namespace, ...query } = options
    const path = collectionPath(resource, namespace) + queryText(query)
    const list = await this.#json<{
      items?: readonly T[] | null
      metadata: { resourceVersion?: string; continue?: string }
    }>('GET', path)
    const type = { apiVersion: apiVersionOf(resource), kind: resource.kind }
    return {
      items: (list.items ?? []).map(item => ({ ...type, ...item })),
      resourceVersion: list.metadata.resourceVersion ?? '',
      continue: list.metadata.continue || undefined,
    }
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>> {
    const { namespace, ...query } = options
    const path = collectionPath(resource, namespace) + queryText({ watch: 1, allowWatchBookmarks: true, ...query })
    const { stream } = await this.#send('GET', path, undefined, undefined, signal)
    try {
      for await (const line of lines(stream)) yield watchEvent<T>(line)
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      stream.close()
    }
  }

  create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string; name?: string } = {},
  ): Promise<T> {
    const { subresource, name = object.metadata.name ?? '' } = options
    const { namespace } = object.metadata
    const path = subresource
      ? objectPath(resource, { name, namespace }, subresource)
      : collectionPath(resource, namespace)
    return this.#json('POST', path + writeQuery(options), object)
  }

  update<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options: WriteOptions & { subresource?: string } = {},
  ): Promise<T> {
    const { name = '', namespace } = object.metadata
    const path = objectPath(resource, { name, namespace }, options.subresource)
    return this.#json('PUT', path + writeQuery(options), object)
  }

  patch<T extends KubeObject>(resource: Resource<T>, name: Name, patch: unknown, options: PatchOptions): Promise<T> {
    const path = objectPath(resource, name, options.subresource) + writeQuery(options)
    return this.#json('PATCH', path, patch, contentTypes[options.type])
  }

  async delete(resource: Resource, name: Name, options: DeleteOptions = {}): Promise<void> {
    await this.#json('DELETE', objectPath(resource, name), deleteBody(options))
  }

  async deleteCollection(resource: Resource, selector: ListOptions, options: DeleteOptions = {}): Promise<void> {
    const { namespace, ...query } = selector
    await this.#json('DELETE', collectionPath(resource, namespace) + queryText(query), deleteBody(options))
  }

  async raw(method: string, path: string, body?: unknown): Promise<unknown> {
    const { stream } = await this.#send(method, path, body === undefined ? undefined : JSON.stringify(body))
    const text = await textOf(stream)
    try {
      return JSON.parse(text)
    } catch {
      return text
    }
  }

  as(user: string, groups: readonly string[] = []): Client {
    return new RemoteClient(this.#connection, this.#options, {
      'impersonate-user': user,
      ...(groups.length > 0 ? { 'impersonate-group': [...groups] } : {}),
    })
  }

  close(): void {
    this.#connection.close()
  }

  async #json<T>(method: string, path: string, body?: unknown, contentType?: string): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const { stream } = await this.#send(method, path, text, contentType)
    return JSON.parse(await textOf(stream)) as T
  }

  /** Sends and waits for success; a server that names a time to wait is asked again after it. */
  async #send(
    method: string,
    path: string,
    body?: string,
    contentType = 'application/json',
    signal?: AbortSignal,
  ): Promise<WireResponse> {
    const { clock = systemClock } = this.#options
    for (let retries = 0; ; retries++) {
      const headers = { ...(await this.#headers()), ...(body === undefined ? {} : { 'content-type': contentType }) }
      const request = { method, path, headers, ...(body === undefined ? {} : { body }) }
      const response = await this.#connection.send(request, signal)
      if (response.status < 300) return response
      const text = await textOf(response.stream)
      const wait = Number(response.headers['retry-after'] ?? Number.NaN)
      const busy = response.status === 429 || response.status >= 500
      if (!busy || Number.isNaN(wait) || retries >= maxRetries) throw decodeStatus(response.status, text)
      await clock.sleep(wait * 1000, signal ?? new AbortController().signal)
    }
  }

  async #headers(): Promise<Headers> {
    const { token, userAgent = 'skiff' } = this.#options
    const current = typeof token === 'function' ? await token() : token
    return {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(current === undefined ? {} : { authorization: `Bearer ${current}` }),
      ...this.#identity,
    }
  }
}

const writeQuery = ({ fieldManager, fieldValidation, dryRun, force }: WriteOptions & { force?: boolean }) =>
  queryText({ fieldManager, fieldValidation, dryRun: dryRun ? 'All' : undefined, force })

const deleteBody = (options: DeleteOptions) => ({ apiVersion: 'v1', kind: 'DeleteOptions', ...options })

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The stream cut at line ends; a last line without one is dropped. */
async function* lines(stream: AsyncIterable<Buffer>): AsyncIterable<string> {
  let rest: Buffer[] = []
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString('utf8')
      rest = []
      start = end + 1
    }
    if (start < chunk.length) rest.push(chunk.subarray(start))
  }
}

function watchEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type: string; object: unknown }
  switch (event.type) {
    case 'BOOKMARK':
      return { type: 'BOOKMARK', resourceVersion: (event.object as T).metadata.resourceVersion ?? '' }
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type: event.type, object: event.object as T }
    default:
      throw new StatusError(event.object as Status)
  }
}

const reasons: { readonly [code: number]: string } = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** The failure a response tells of, whether it is a Status or only text (as from a proxy on the way). */
function decodeStatus(code: number, text: string): StatusError {
  try {
    const status = JSON.parse(text) as Status
    if (status.kind === 'Status') return new StatusError({ ...status, code: status.code ?? code })
  } catch {
    // Not JSON: the text itself is the message.
  }
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: text.trim() || `the server answered ${code}`,
    reason: reasons[code] ?? '',
    code,
  })
}
