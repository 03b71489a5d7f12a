/** The path of a request: routes, readiness, request info, authentication, impersonation, authorization, verb, answer. */
import { randomUUID } from 'node:crypto'
import { errors, StatusError } from '../api/errors.ts'
import { attributesOf } from './auth/authorizer.ts'
import { impersonation } from './auth/impersonation.ts'
import type { UserInfo } from './auth/user.ts'
import { dispatch } from './dispatch.ts'
import { forbidden, requestAttributes } from './http/authorize.ts'
import { withoutSlash } from './http/documents.ts'
import type { Health } from './http/health.ts'
import type { ApiRequest, ApiResponse } from './http/message.ts'
import { headerOf, jsonResponse } from './http/message.ts'
import type { RequestMetrics } from './http/metrics.ts'
import type { RequestInfo } from './http/requestinfo.ts'
import { requestInfo } from './http/requestinfo.ts'
import { statusResponse } from './http/status.ts'
import { Warnings } from './http/warnings.ts'
import type { ApiServerDeps } from './server.ts'
import type { VerbDeps } from './verbs/call.ts'

const requestTimeoutMs = 60_000

export interface HandlerParts {
  readonly deps: ApiServerDeps
  readonly verbs: VerbDeps
  readonly metrics: RequestMetrics
  readonly health: Health
  readonly ready: () => boolean
}

/** Never rejects: a failure is answered as a Status. */
export function createHandler(parts: HandlerParts): (request: ApiRequest) => Promise<ApiResponse> {
  const { deps, metrics } = parts
  return async request => {
    const started = performance.now()
    const warnings = new Warnings()
    let info: RequestInfo | undefined
    let response: ApiResponse
    try {
      response = (await deps.routes?.(request, undefined)) ?? (await answer())
    } catch (error) {
      if (isOurFault(error))
        deps.log?.error({ err: error, method: request.method, path: request.path }, 'request failed')
      response = statusResponse(request, error)
    }
    if (info) metrics.observe(info, request.method, response.status, performance.now() - started)
    return finish(request, response, warnings)

    async function answer(): Promise<ApiResponse> {
      info = requestInfo(request.method, request.path, request.query)
      return await serve(parts, request, info, warnings)
    }
  }
}

/** Neither a refusal nor a client that went away. */
function isOurFault(error: unknown): boolean {
  return !(error instanceof StatusError) && !(error instanceof Error && error.name === 'AbortError')
}

async function serve(
  parts: HandlerParts,
  request: ApiRequest,
  info: RequestInfo,
  warnings: Warnings,
): Promise<ApiResponse> {
  const { deps } = parts
  if (!parts.ready()) {
    const early = await parts.health(request)
    if (early) return early
    throw errors.serviceUnavailable('apiserver not ready')
  }
  const user = await identify(deps, request)
  const attributes = requestAttributes(user, info)
  const { allowed, reason } = deps.authorizer.authorize(attributes)
  if (!allowed) throw forbidden(attributes, reason)
  const longRunning = isLongRunning(info)
  const work = () =>
    deps.delegate?.(request, user, info, longRunning) ??
    (info.isResource ? dispatch(parts, request, info, user, warnings) : document(parts, request, user))
  return longRunning ? counted(await work(), parts.metrics) : await withinTime(request, work)
}

/** Who the request acts as. Throws 401, or 403 for someone it may not act as. */
export async function identify(deps: ApiServerDeps, request: ApiRequest): Promise<UserInfo> {
  if (request.user) return request.user
  const { headers, peerCertificate } = request
  const user = await deps.authenticator.authenticate({ headers, peerCertificate })
  if (!user) throw errors.unauthorized()
  const asked = impersonation(headers, user)
  if (!asked) return user
  for (const attributes of asked.checks) {
    const { allowed, reason } = deps.authorizer.authorize(attributes)
    if (!allowed) throw forbidden(attributes, reason)
  }
  return asked.user
}

async function document(parts: HandlerParts, request: ApiRequest, user: UserInfo): Promise<ApiResponse> {
  const { deps, health, metrics } = parts
  const checked = await health(request)
  if (checked) return checked
  if (withoutSlash(request.path) === '/version') return jsonResponse(200, deps.version)
  if (request.path === '/metrics') return metrics.response()
  for (const route of deps.documents ?? []) {
    const response = await route(request, user)
    if (response) return response
  }
  if (request.path === '/') return jsonResponse(200, { paths: rootPaths(deps, user) })
  throw errors.unknownPath()
}

function rootPaths(deps: ApiServerDeps, user: UserInfo): string[] {
  const groups = new Set([...deps.registry.all()].map(kind => kind.group).filter(group => group !== ''))
  const paths = ['/api', '/api/v1', '/apis', ...[...groups].map(group => `/apis/${group}`)]
  const rest = ['/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', '/readyz', '/version']
  const readable = (path: string) => deps.authorizer.authorize(attributesOf(user, 'get', { path })).allowed
  return [...paths.sort(), ...rest.filter(readable)]
}

const streaming = new Set(['exec', 'attach', 'portforward', 'proxy', 'log'])

function isLongRunning(info: RequestInfo): boolean {
  return info.verb === 'watch' || info.verb === 'proxy' || streaming.has(info.subresource)
}

/** Counts a stream among the open ones until it ends. */
function counted(response: ApiResponse, metrics: RequestMetrics): ApiResponse {
  const { body } = response
  if (body === undefined || !(Symbol.asyncIterator in body)) return response
  return { ...response, body: untilEnd(body, metrics.opened()) }
}

async function* untilEnd(body: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } finally {
    ended()
  }
}

async function withinTime(request: ApiRequest, work: () => Promise<ApiResponse>): Promise<ApiResponse> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(errors.timeout('request did not complete within the allotted timeout')),
      allowedMs(request.query),
    )
    timer.unref()
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** The `timeout` parameter ("32s"), within the server's own limit. */
function allowedMs(query: URLSearchParams): number {
  const match = /^(\d+)s$/.exec(query.get('timeout') ?? '')
  const asked = match ? Number(match[1]) * 1000 : 0
  return asked > 0 ? Math.min(asked, requestTimeoutMs) : requestTimeoutMs
}

function finish(request: ApiRequest, response: ApiResponse, warnings: Warnings): ApiResponse {
  const texts = warnings.headers()
  return {
    ...response,
    headers: {
      'audit-id': headerOf(request, 'audit-id') || randomUUID(),
      'cache-control': 'no-cache, private',
      ...response.headers,
      ...(texts.length > 0 ? { warning: texts } : {}),
    },
  }
}
