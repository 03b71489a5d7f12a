/** How the supervisor refuses: a Status, after which the connection closes; what is the server's own stays in its log. */
import { errors, failure, type StatusError } from '../api/errors.ts'
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'
import { statusResponse } from '../apiserver/http/status.ts'

/** k3s-io/k3s pkg/util/apierrors.go. */
export function refuse(request: ApiRequest, code: number, message: string): ApiResponse {
  const response = statusResponse(request, errorOf(request, code, message))
  // HTTP/2 has no such header.
  if (request.headers[':method'] !== undefined) return response
  return { ...response, headers: { ...response.headers, connection: 'close' } }
}

function errorOf(request: ApiRequest, code: number, message: string): StatusError {
  switch (code) {
    case 400:
      return errors.badRequest(message)
    case 401:
      return errors.unauthorized(message)
    case 403:
      return failure(403, 'Forbidden', message)
    case 405:
      return failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {
        name: request.path,
        causes: [{ reason: 'UnexpectedServerResponse', message }],
      })
    case 500:
      return errors.internal(message)
    case 503:
      return errors.serviceUnavailable(message)
    case 413:
      return failure(413, 'RequestEntityTooLarge', message)
    default:
      return failure(code, '', message)
  }
}

export interface RefusalLog {
  error(fields: object, message: string): void
}

export interface Hiding {
  readonly log: RefusalLog
  readonly random: () => number
}

/** Answers with a number by which the log tells what happened. `component` says what was being done, e.g. "token". */
export function refuseHiding(
  request: ApiRequest,
  code: number,
  component: string,
  error: unknown,
  { log, random }: Hiding,
): ApiResponse {
  const id = String(Math.floor(random() * 99_999)).padStart(5, '0')
  const text = `${component} error ID ${id}`
  log.error({ err: error, remote: request.remoteAddress }, `${text}: ${String((error as Error)?.message ?? error)}`)
  return refuse(request, code, text)
}
