/** A whole API server over a fresh datastore in a temporary directory, for suites. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KubeObject } from '../api/object.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import { versionInfo } from '../version.ts'
import type { UserInfo } from './auth/user.ts'
import { discovery } from './discovery/discovery.ts'
import { discoveryRoute } from './http/documents.ts'
import type { ApiRequest } from './http/message.ts'
import { strategyOf } from './kinds/index.ts'
import type { KindRegistry } from './schema/registry.ts'
import { kindRegistry } from './schema/registry.ts'
import type { ApiServer, ApiServerDeps } from './server.ts'
import { createApiServer } from './server.ts'
import { openStore } from './store/open-store.ts'

export const admin: UserInfo = { name: 'admin', uid: '', groups: ['system:masters'], extra: {} }

export interface TestServer {
  readonly server: ApiServer
  readonly registry: KindRegistry
  /** One request through the whole handler; a string body is sent as it is, others as JSON. */
  request(method: string, url: string, body?: unknown, headers?: { [name: string]: string }): Promise<TestResponse>
  /** The first `count` events of a watch, fewer when it ends before; `act` runs once the watch is open. */
  watch(
    url: string,
    count: number,
    act?: () => Promise<unknown>,
    headers?: { [name: string]: string },
  ): Promise<TestEvent[]>
  /** Forgets everything but the present. */
  compact(): Promise<void>
  stop(): Promise<void>
}

export interface TestEvent {
  readonly type: string
  readonly object: KubeObject
}

export interface TestResponse {
  readonly status: number
  readonly headers: { readonly [name: string]: string | readonly string[] }
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into arbitrary JSON
  readonly json: any
}

const clock = {
  now: () => Date.now(),
  sleep: (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false }),
}

/** `overrides` replace parts; without `ready` the server stays as it is before its objects are there. */
export async function testServer(overrides: Partial<ApiServerDeps> = {}, ready = true): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'skiff-api-'))
  const datastore = await openSqlite({ file: join(directory, 'state.db'), clock })
  const store = await openStore({ datastore, clock })
  const registry = kindRegistry(strategyOf)
  const server = createApiServer({
    store,
    registry,
    authenticator: { authenticate: async () => admin },
    authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
    admission: { mutate: () => {}, validate: () => {} },
    clock,
    version: versionInfo,
    documents: [discoveryRoute(discovery(registry))],
    ...overrides,
  })
  if (ready) server.setReady()
  return {
    server,
    registry,
    request: (method, url, body, headers) => requestOf(server, method, url, body, headers),
    watch: (url, count, act, headers) => watchEvents(server, url, count, act, headers),
    compact: async () => await datastore.compact(await datastore.revision()),
    async stop() {
      await store.close()
      await datastore.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** One request through the whole handler, its answer read to the end. */
export async function requestOf(
  server: ApiServer,
  method: string,
  url: string,
  body?: unknown,
  headers: { [name: string]: string } = {},
): Promise<TestResponse> {
  const response = await server.handle(apiRequest(method, url, body, headers))
  const chunks: Uint8Array[] = []
  const { body: sent } = response
  if (Buffer.isBuffer(sent)) chunks.push(sent)
  else if (sent) for await (const chunk of sent) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return {
    status: response.status,
    headers: response.headers,
    text,
    get json() {
      return JSON.parse(text)
    },
  }
}

async function watchEvents(
  server: ApiServer,
  url: string,
  count: number,
  act: () => Promise<unknown> = async () => {},
  headers: { [name: string]: string } = {},
): Promise<TestEvent[]> {
  const stop = new AbortController()
  const watching = url.includes('/watch/') ? url : `${url}${url.includes('?') ? '&' : '?'}watch=true`
  const response = await server.handle(apiRequest('GET', watching, undefined, headers, stop.signal))
  if (response.status !== 200) throw new Error(`watch: ${response.status} ${String(response.body)}`)
  const chunks = (response.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
  const events: TestEvent[] = []
  let next = chunks.next()
  await act()
  while (events.length < count) {
    const { done, value } = await next
    if (done) break
    for (const line of Buffer.from(value).toString().trimEnd().split('\n')) events.push(JSON.parse(line))
    if (events.length < count) next = chunks.next()
  }
  stop.abort()
  return events
}

/** A request as a transport would make it. */
export function apiRequest(
  method: string,
  url: string,
  body?: unknown,
  headers: { [name: string]: string } = {},
  signal = new AbortController().signal,
): ApiRequest {
  const { pathname, searchParams } = new URL(url, 'http://server')
  const bytes = Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body))
  return {
    method,
    path: pathname,
    query: searchParams,
    headers: { 'content-type': 'application/json', 'user-agent': 'test/1', ...headers },
    body: async () => bytes,
    signal,
    remoteAddress: '127.0.0.1',
  }
}
