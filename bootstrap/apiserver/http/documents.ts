/** Documents about the API: discovery and OpenAPI, with their entity tags. */
import { errors } from '../../api/errors.ts'
import type { ServiceAccountTokens } from '../auth/tokens.ts'
import type { DiscoveryAnswer } from '../discovery/discovery.ts'
import type { OpenApiAnswer } from '../openapi/openapi.ts'
import type { ApiRequest, ApiResponse, RequestHeaders } from './message.ts'
import { headerOf, jsonResponse } from './message.ts'

/** Documents answer with and without a slash at the end of their path. */
export const withoutSlash = (path: string): string => path.replace(/(?<=.)\/+$/, '')

/** Answers GET of discovery paths; undefined for any other path. */
export function discoveryRoute(
  answer: (path: string, accept: string) => DiscoveryAnswer | undefined,
): (request: ApiRequest) => ApiResponse | undefined {
  return request => {
    const path = withoutSlash(request.path)
    if (!/^\/apis?(\/|$)/.test(path)) return undefined
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw errors.methodNotAllowed({ group: '', resource: path }, request.method.toLowerCase())
    }
    const found = answer(path, headerOf(request, 'accept'))
    if (!found) return undefined
    const headers = {
      'content-type': found.contentType,
      vary: 'Accept',
      ...(found.etag === undefined ? {} : { etag: found.etag }),
    }
    if (found.etag !== undefined && headerOf(request, 'if-none-match') === found.etag) {
      return { status: 304, headers, body: undefined }
    }
    return { status: 200, headers, body: found.body }
  }
}

/** Answers GET of OpenAPI paths; undefined for any other path. */
export function openApiRoute(
  answer: (path: string, query: URLSearchParams, headers: RequestHeaders) => Promise<OpenApiAnswer | undefined>,
): (request: ApiRequest) => Promise<ApiResponse | undefined> {
  return async ({ method, path, query, headers }) =>
    method === 'GET' || method === 'HEAD' ? await answer(path, query, headers) : undefined
}

/** Answers GET of OpenAPI documents that an aggregated server has; undefined for any other path. */
export function aggregatedOpenApiRoute(others: {
  openApiDocument(request: ApiRequest): Promise<ApiResponse> | undefined
}): (request: ApiRequest) => Promise<ApiResponse> | undefined {
  return request => (['GET', 'HEAD'].includes(request.method) ? others.openApiDocument(request) : undefined)
}

/** The documents others verify service account tokens by. */
export function openIdRoute(
  issuer: Pick<ServiceAccountTokens, 'openIdConfiguration' | 'jwks'>,
): (request: ApiRequest) => ApiResponse | undefined {
  return request => {
    const path = withoutSlash(request.path)
    if (path === '/.well-known/openid-configuration') return jsonResponse(200, issuer.openIdConfiguration())
    if (path !== '/openid/v1/jwks') return undefined
    const response = jsonResponse(200, issuer.jwks())
    return { ...response, headers: { 'content-type': 'application/jwk-set+json' } }
  }
}
