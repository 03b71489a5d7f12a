/** The in-memory client behind a real HTTP/2 port, for tests of the remote transport. */

import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { failure, StatusError } from '../../api/errors.ts'
import { apiVersionOf, type KubeObject } from '../../api/object.ts'
import type { ListOptions, PatchType, Resource } from '../client.ts'
import type { MemoryClient } from './memory-client.ts'

export interface MemoryServer {
  readonly url: string
  /** Headers of the requests so far. */
  readonly requests: { readonly [header: string]: unknown }[]
  close(): Promise<void>
}

interface Call {
  readonly method: string
  readonly url: URL
  readonly contentType: string
  readonly body: unknown
}

interface Target {
  readonly resource: Resource
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
}

export async function serveMemory(client: MemoryClient): Promise<MemoryServer> {
  const requests: MemoryServer['requests'] = []
  const server = createServer()
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', session => sessions.add(session))
  server.on('stream', (stream, headers) => {
    requests.push(headers)
    stream.on('error', () => {})
    void answer(client, stream, headers).catch(error => {
      const status = error instanceof StatusError ? error.status : failure(500, 'InternalError', String(error)).status
      if (!stream.headersSent) respond(stream, status.code ?? 500, status)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: async () => {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

async function answer(client: MemoryClient, stream: ServerHttp2Stream, headers: { [name: string]: unknown }) {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const call: Call = {
    method: String(headers[':method']),
    url: new URL(String(headers[':path']), 'http://localhost'),
    contentType: String(headers['content-type'] ?? ''),
    body: text === '' ? undefined : JSON.parse(text),
  }
  const target = targetOf(client.resources, call.url.pathname)
  if (!target) return respond(stream, 200, await client.raw(call.method, call.url.pathname))
  if (call.url.searchParams.get('watch')) return pushEvents(client, stream, target, call.url)
  return respond(stream, call.method === 'POST' ? 201 : 200, await perform(client, target, call))
}

async function perform(client: MemoryClient, target: Target, { method, url, contentType, body }: Call) {
  const { resource, namespace, name, subresource } = target
  const at = { name: name ?? '', namespace }
  const options = subresource ? { subresource } : {}
  switch (method) {
    case 'GET':
      return name === undefined ? listed(await client.list(resource, query(url, namespace))) : client.get(resource, at)
    case 'POST':
      return client.create(resource, body as KubeObject, { ...options, ...(name ? { name } : {}) })
    case 'PUT':
      return client.update(resource, body as KubeObject, options)
    case 'PATCH':
      return client.patch(resource, at, body, { type: patchTypes[contentType] ?? 'merge', ...options })
    default:
      if (name === undefined) await client.deleteCollection(resource, query(url, namespace), body as object)
      else await client.delete(resource, at, body as object)
      return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
  }
}

async function pushEvents(client: MemoryClient, stream: ServerHttp2Stream, target: Target, url: URL): Promise<void> {
  const stop = new AbortController()
  stream.on('close', () => stop.abort())
  stream.respond({ ':status': 200, 'content-type': 'application/json' })
  const send = (type: string, object: unknown) => stream.write(`${JSON.stringify({ type, object })}\n`)
  try {
    for await (const event of client.watch(target.resource, query(url, target.namespace), stop.signal))
      if (event.type !== 'BOOKMARK') send(event.type, event.object)
  } catch (error) {
    send('ERROR', (error as StatusError).status)
    stream.end()
  }
}

function targetOf(resources: readonly Resource[], path: string): Target | undefined {
  for (const resource of resources) {
    const base = resource.group === '' ? '/api/' : '/apis/'
    const prefix = `${base}${apiVersionOf(resource)}/`
    if (!path.startsWith(prefix)) continue
    const steps = path.slice(prefix.length).split('/').map(decodeURIComponent)
    const namespace = resource.namespaced && steps[0] === 'namespaces' ? steps.splice(0, 2)[1] : undefined
    if (steps[0] === resource.resource) return { resource, namespace, name: steps[1], subresource: steps[2] }
  }
  return undefined
}

const query = (url: URL, namespace: string | undefined): ListOptions => {
  const { limit, ...rest } = Object.fromEntries(url.searchParams)
  return { ...rest, ...(limit ? { limit: Number(limit) } : {}), ...(namespace ? { namespace } : {}) }
}

const listed = (list: { items: readonly unknown[]; resourceVersion: string; continue: string | undefined }) => ({
  kind: 'List',
  metadata: { resourceVersion: list.resourceVersion, continue: list.continue },
  items: list.items,
})

const patchTypes: { readonly [contentType: string]: PatchType } = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

function respond(stream: ServerHttp2Stream, status: number, body: unknown): void {
  stream.respond({ ':status': status, 'content-type': 'application/json' })
  stream.end(JSON.stringify(body))
}
