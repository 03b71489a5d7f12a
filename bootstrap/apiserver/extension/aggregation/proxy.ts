/** Passes requests on to aggregated servers, telling them who asks (upstream: kube-aggregator pkg/apiserver/handler_proxy.go). */
import type { Duplex } from 'node:stream'
import { refuseUpgrade } from '../../../streaming/http.ts'
import type { UserInfo } from '../../auth/user.ts'
import type { ApiRequest, ApiResponse, RequestHeaders } from '../../http/message.ts'
import { headerOf, textResponse } from '../../http/message.ts'
import type { RequestInfo } from '../../http/requestinfo.ts'
import type { BackendResponse } from '../../subresources/backends.ts'
import { forwardedHeaders } from '../../subresources/connect.ts'
import type { Connections } from './connections.ts'
import { type Address, type EndpointParts, reachable } from './endpoints.ts'
import { failureText } from './failure-text.ts'
import type { RemoteService, RemoteServices } from './services.ts'

export interface ProxyParts extends EndpointParts {
  readonly remotes: RemoteServices
  readonly connect: Connections
  readonly random: () => number
}

const requestTimeoutMs = 60_000

/** What a request for a group version somebody else serves is about; undefined for all others. */
export function remoteOf(remotes: RemoteServices, request: ApiRequest, info: RequestInfo): RemoteService | undefined {
  if (info.isResource) return remotes.find(info.group, info.version)
  const path = /^\/(?:apis\/([^/]+)|api)\/([^/]+)\/?$/.exec(request.path)
  return path ? remotes.find(path[1] ?? '', path[2]!) : undefined
}

/** Answers with what the aggregated server answers; 503 as plain text when it cannot be reached. */
export async function proxyRequest(
  parts: ProxyParts,
  remote: RemoteService,
  request: ApiRequest,
  user: UserInfo,
  longRunning: boolean,
): Promise<ApiResponse> {
  const address = addressOf(parts, remote)
  if (!address) return unavailable('service unavailable')
  const { method } = request
  const body = method === 'GET' || method === 'HEAD' ? undefined : await request.body()
  const { signal, settled } = endOf(request, longRunning)
  const headers = { ...proxiedHeaders(request, user), ...(body ? { 'content-length': String(body.length) } : {}) }
  try {
    const connection = await parts.connect(remote, address, true)
    const answer = await connection.request('', method, pathOf(request), headers, signal, body)
    return { status: answer.status, headers: responseHeaders(answer), body: answer.body }
  } catch (error) {
    return unavailable(`error trying to reach service: ${failureText(error)}`)
  } finally {
    settled()
  }
}

/** Hands the socket of an upgrade request to the aggregated server. */
export async function proxyUpgrade(
  parts: ProxyParts,
  remote: RemoteService,
  request: ApiRequest,
  user: UserInfo,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const address = addressOf(parts, remote)
  if (!address) return refuseUpgrade(socket, 503, 'service unavailable\n')
  const connection = await parts.connect(remote, address, true)
  try {
    await connection.upgrade('', pathOf(request), proxiedHeaders(request, user, true), socket, head, request.method)
  } catch (error) {
    refuseUpgrade(socket, 503, `error dialing backend: ${failureText(error)}\n`)
  }
}

function addressOf(parts: ProxyParts, remote: RemoteService): Address | undefined {
  if (!remote.available) return undefined
  const found = reachable(parts, remote)
  return 'at' in found ? found.at[Math.floor(parts.random() * found.at.length)] : undefined
}

const unavailable = (text: string): ApiResponse => {
  const response = textResponse(503, `${text}\n`)
  return { ...response, headers: { ...response.headers, 'x-content-type-options': 'nosniff' } }
}

/** With the query's parameters in upstream's order, which is that of their names. */
function pathOf({ path, query }: ApiRequest): string {
  if (query.size === 0) return path
  const sorted = new URLSearchParams(query)
  sorted.sort()
  return `${path}?${sorted}`
}

/** Ends with the client's request, or when a short one takes too long to begin to answer. */
function endOf(request: ApiRequest, longRunning: boolean): { signal: AbortSignal; settled: () => void } {
  if (longRunning) return { signal: request.signal, settled: () => {} }
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error('the server did not answer in time')), requestTimeoutMs)
  timer.unref()
  return { signal: AbortSignal.any([request.signal, late.signal]), settled: () => clearTimeout(timer) }
}

/** The request's own headers without credentials, and who asks. */
function proxiedHeaders(request: ApiRequest, user: UserInfo, upgrade = false): RequestHeaders {
  const via = [headerOf(request, 'x-forwarded-for'), request.remoteAddress].filter(text => text !== '')
  return {
    ...forwardedHeaders(request.headers, upgrade),
    ...(via.length > 0 ? { 'x-forwarded-for': via.join(', ') } : {}),
    ...identityHeaders(user),
  }
}

/** The front proxy's headers, repeated where there are several values (upstream: client-go transport.SetAuthProxyHeaders). */
export function identityHeaders(user: Pick<UserInfo, 'name'> & Partial<UserInfo>): RequestHeaders {
  const { name, uid = '', groups = [], extra = {} } = user
  const extras = Object.entries(extra).map(([key, values]) => [`x-remote-extra-${escapedKey(key)}`, values])
  return {
    'x-remote-user': name,
    ...(uid === '' ? {} : { 'x-remote-uid': uid }),
    ...(groups.length === 0 ? {} : { 'x-remote-group': groups }),
    ...Object.fromEntries(extras),
  }
}

/** Bytes that no header's name may hold, and the percent sign, as %XX. */
function escapedKey(key: string): string {
  const legal = /[!#$&'*+\-.^_`|~0-9A-Za-z]/
  return [...Buffer.from(key)]
    .map(byte => {
      const character = String.fromCharCode(byte)
      return legal.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

function responseHeaders(answer: BackendResponse): { [name: string]: string | readonly string[] } {
  const headers: { [name: string]: string | readonly string[] } = {}
  for (const [name, value] of Object.entries(forwardedHeaders(answer.headers)))
    if (value !== undefined) headers[name] = value
  return headers
}
