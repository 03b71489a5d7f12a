/** What servers that join ask for, and what `skiff token` and its like change. */
import { type ApiRequest, type ApiResponse, jsonResponse, textResponse } from '../apiserver/http/message.ts'
import type { TokenKeeper } from '../cluster/tokens.ts'
import { TokenError } from '../pki/token.ts'
import { serverGroups } from './access.ts'
import type { AnsweredRoutes } from './answered.ts'
import { type Hiding, refuse, refuseHiding } from './answers.ts'
import type { Endpoint, Endpoints } from './endpoint.ts'

export interface ServerRouteParts extends Hiding {
  readonly tokens: TokenKeeper
  /** The cluster's secrets as JSON; undefined where servers that join get them from the datastore. */
  readonly bundle: (() => Promise<string>) | undefined
  /** The members of the embedded etcd, as /db/info tells them; undefined without one. */
  readonly members: (() => Promise<object>) | undefined
  readonly answered: AnsweredRoutes
}

/** Answered 501 until they are built: secrets encryption and the replacement of CAs. */
const unbuilt = ['/v1-k3s/encrypt/status', '/v1-k3s/encrypt/config', '/v1-k3s/cert/cacerts']

export function serverEndpoints(parts: ServerRouteParts): Endpoints {
  const { answered } = parts
  const endpoint = (answer: Endpoint['answer']): Endpoint => ({ groups: serverGroups, limited: false, answer })
  return new Map<string, Endpoint>([
    ['/v1-k3s/server-bootstrap', endpoint(request => bootstrap(request, parts))],
    ['/v1-k3s/token', endpoint(request => rotate(request, parts))],
    ['/db/info', { ...endpoint(request => info(request, parts)), local: true }],
    // Not for everybody on this machine: whoever may save a snapshot may send it to a bucket of their own (k3s-io/k3s pkg/etcd/etcd.go).
    ['/db/snapshot', endpoint(request => answered.respond('/db/snapshot', request, parts))],
    ...unbuilt.map(
      path => [path, endpoint(request => refuse(request, 501, 'not supported by this version yet'))] as const,
    ),
  ])
}

async function bootstrap(request: ApiRequest, parts: ServerRouteParts): Promise<ApiResponse> {
  if (!parts.bundle) return refuse(request, 400, 'etcd disabled')
  try {
    const text = await parts.bundle()
    return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(text) }
  } catch (error) {
    return refuseHiding(request, 500, 'bootstrap', error, parts)
  }
}

async function info(request: ApiRequest, { members, ...hiding }: ServerRouteParts): Promise<ApiResponse> {
  if (!members) return refuse(request, 400, 'etcd datastore disabled')
  try {
    return jsonResponse(200, await members())
  } catch (error) {
    return refuseHiding(request, 500, 'etcd', error, hiding)
  }
}

async function rotate(request: ApiRequest, parts: ServerRouteParts): Promise<ApiResponse> {
  if (request.method !== 'PUT') return refuse(request, 405, 'method not allowed')
  const asked = newTokenIn(await request.body())
  if (asked === undefined) return refuse(request, 400, 'the body is not of the form {"newToken": "..."}')
  try {
    await parts.tokens.rotate(asked)
    return textResponse(200, '')
  } catch (error) {
    return error instanceof TokenError
      ? refuse(request, 400, error.message)
      : refuseHiding(request, 500, 'token', error, parts)
  }
}

function newTokenIn(body: Buffer): string | undefined {
  try {
    const { newToken } = JSON.parse(body.toString()) as { newToken?: unknown }
    return typeof newToken === 'string' ? newToken : undefined
  } catch {
    return undefined
  }
}
