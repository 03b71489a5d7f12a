/** Requests that turn into a byte stream: exec, attach and portforward to the node agent, and whatever the routes take. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors, failure } from '../api/errors.ts'
import { lastWords } from '../streaming/http.ts'
import type { HandlerParts } from './handler.ts'
import { identify } from './handler.ts'
import { forbidden, requestAttributes } from './http/authorize.ts'
import type { Handle } from './http/listener.ts'
import type { ApiRequest, ApiResponse } from './http/message.ts'
import { headerOf } from './http/message.ts'
import { requestInfo } from './http/requestinfo.ts'
import { statusResponse } from './http/status.ts'
import { watchOverWebSocket } from './http/websocket-watch.ts'
import { UnreachableError } from './subresources/backends.ts'
import { connectOf, forwardedHeaders, podTarget } from './subresources/connect.ts'
import type { Call } from './verbs/call.ts'

const streams = new Set(['exec', 'attach', 'portforward'])

/** Takes over the socket of an upgrade request. `head` is what the client sent after it. */
export type UpgradeHandler = (request: ApiRequest, socket: Duplex, head: Buffer) => void

export function createUpgradeHandler(parts: HandlerParts, handle: Handle): UpgradeHandler {
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    upgrade(parts, handle, request, socket, head).catch((error: unknown) => refuse(request, socket, error))
  }
}

async function upgrade(
  parts: HandlerParts,
  handle: Handle,
  request: ApiRequest,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { deps, verbs } = parts
  if (await deps.upgradeRoutes?.(request, socket, head)) return
  if (!parts.ready()) throw errors.serviceUnavailable('apiserver not ready')
  const info = requestInfo(request.method, request.path, request.query)
  if (info.verb === 'watch' && headerOf(request, 'upgrade').toLowerCase() === 'websocket') {
    const response = await handle(request)
    const { body } = response
    if (response.status !== 200 || body === undefined || !(Symbol.asyncIterator in body)) answer(response, socket)
    else await watchOverWebSocket(request, socket, head, body)
    return
  }
  const user = await identify(deps, request)
  const attributes = requestAttributes(user, info)
  const { allowed, reason } = deps.authorizer.authorize(attributes)
  if (!allowed) throw forbidden(attributes, reason)
  const kind = info.isResource ? deps.registry.byResource(info.group, info.version, info.resource) : undefined
  if (kind?.resource !== 'pods' || kind.group !== '' || !streams.has(info.subresource)) {
    if (await deps.delegateUpgrade?.(request, user, socket, head, info)) return
    throw errors.unknownPath()
  }
  const call: Call = {
    kind,
    namespace: info.namespace,
    name: info.name,
    subresource: info.subresource,
    user,
    userAgent: headerOf(request, 'user-agent'),
    signal: request.signal,
    warn: () => {},
  }
  const target = await podTarget(verbs, call, info, request.query)
  const closed = parts.metrics.opened()
  socket.once('close', closed)
  const headers = forwardedHeaders(request.headers, true)
  try {
    await connectOf(parts).upgrade(target.node, target.path, headers, socket, head, request.method)
  } catch (error) {
    throw error instanceof UnreachableError ? failure(500, '', `error dialing backend: ${error.message}`) : error
  }
}

function refuse(request: ApiRequest, socket: Duplex, error: unknown): void {
  answer(statusResponse(request, error), socket)
}

/** Writes an ordinary answer to the socket that was to be upgraded. */
function answer({ status, headers, body }: ApiResponse, socket: Duplex): void {
  if (socket.destroyed) return
  const text = Buffer.isBuffer(body) ? body : Buffer.alloc(0)
  const lines = Object.entries({ ...headers, 'content-length': String(text.length), connection: 'close' })
  const start = lines.map(([name, value]) => `${name}: ${String(value)}\r\n`).join('')
  lastWords(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${start}\r\n${text}`)
}
