/** Documents about the API: discovery and OpenAPI, with their entity tags. */
import { errors } from '../../api/errors.ts'
import type { DiscoveryAnswer } from '../discovery/discovery.ts'
import type { ApiRequest, ApiResponse } from './message.ts'
import { headerOf } from './message.ts'

/** Answers GET of discovery paths; undefined for any other path. */
export function discoveryRoute(
  answer: (path: string, accept: string) => DiscoveryAnswer | undefined,
): (request: ApiRequest) => ApiResponse | undefined {
  return request => {
    const path = request.path.replace(/(?<=.)\/+$/, '')
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
