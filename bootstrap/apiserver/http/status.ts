/** Failures as responses. */
import type { Status } from '../../api/errors.ts'
import { errors, StatusError } from '../../api/errors.ts'
import { formatYaml } from '../../api/yaml.ts'
import type { ApiRequest, ApiResponse } from './message.ts'
import { headerOf } from './message.ts'

/** The Status of any error; one that is no StatusError becomes a 500, or a 503 or 504 when the datastore or the client is gone. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && error.name === 'UnavailableError') return errors.serviceUnavailable(message).status
  if (error instanceof Error && error.name === 'AbortError') return errors.timeout('the request was cancelled').status
  return errors.internal(message).status
}

export function statusResponse(request: Pick<ApiRequest, 'headers'>, error: unknown): ApiResponse {
  const status = statusOf(error)
  const yaml = headerOf(request, 'accept').startsWith('application/yaml')
  const retryAfter = status.details?.retryAfterSeconds
  return {
    status: status.code ?? 500,
    headers: {
      'content-type': yaml ? 'application/yaml' : 'application/json',
      'x-content-type-options': 'nosniff',
      ...(retryAfter ? { 'retry-after': String(retryAfter) } : {}),
    },
    body: Buffer.from(yaml ? formatYaml(status) : `${JSON.stringify(status)}\n`),
  }
}
