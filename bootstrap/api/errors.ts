/**
 * The one registry of API errors. Every failure a client can see is a Status built here; messages, reasons and codes are
 * upstream's (kubernetes/apimachinery pkg/api/errors, pkg/util/validation/field).
 */
import type { GroupResource } from './object.ts'
import { groupResourceText } from './object.ts'

export interface StatusCause {
  readonly reason?: string
  readonly message?: string
  readonly field?: string
}

export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterSeconds?: number
}

export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: { readonly continue?: string }
  readonly status: 'Success' | 'Failure'
  readonly message?: string
  readonly reason?: string
  readonly details?: StatusDetails
  readonly code?: number
}

/** An API failure, on the server before it is encoded and on the client after it is decoded. */
export class StatusError extends Error {
  readonly status: Status

  constructor(status: Status) {
    super(status.message ?? status.reason ?? `status ${status.code}`)
    this.name = 'StatusError'
    this.status = status
  }

  get code(): number {
    return this.status.code ?? 500
  }

  get reason(): string {
    return this.status.reason ?? ''
  }
}

/** Makes a failure from its parts; prefer the named builders below. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details?: StatusDetails,
  metadata: Status['metadata'] = {},
): StatusError {
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata,
    status: 'Failure',
    message,
    ...(reason !== '' ? { reason } : {}),
    ...(details ? { details } : {}),
    code,
  })
}

const named = (gr: GroupResource, name: string): StatusDetails => ({
  ...(name !== '' ? { name } : {}),
  ...(gr.group !== '' ? { group: gr.group } : {}),
  kind: gr.resource,
})

export const errors = {
  notFound: (gr: GroupResource, name: string) =>
    failure(404, 'NotFound', `${groupResourceText(gr)} "${name}" not found`, named(gr, name)),
  unknownPath: () => failure(404, 'NotFound', 'the server could not find the requested resource', {}),
  alreadyExists: (gr: GroupResource, name: string) =>
    failure(409, 'AlreadyExists', `${groupResourceText(gr)} "${name}" already exists`, named(gr, name)),
  generateNameConflict: (gr: GroupResource, name: string) =>
    failure(
      409,
      'AlreadyExists',
      `${groupResourceText(gr)} "${name}" already exists, the server was not able to generate a unique name for the object`,
      { ...named(gr, name), retryAfterSeconds: 1 },
    ),
  conflict: (gr: GroupResource, name: string, why: string) =>
    failure(
      409,
      'Conflict',
      `Operation cannot be fulfilled on ${groupResourceText(gr)} "${name}": ${why}`,
      named(gr, name),
    ),
  stale: (gr: GroupResource, name: string) =>
    errors.conflict(
      gr,
      name,
      'the object has been modified; please apply your changes to the latest version and try again',
    ),
  forbidden: (gr: GroupResource, name: string, why: string) =>
    failure(
      403,
      'Forbidden',
      name === ''
        ? `${groupResourceText(gr)} is forbidden: ${why}`
        : `${groupResourceText(gr)} "${name}" is forbidden: ${why}`,
      named(gr, name),
    ),
  unauthorized: (message = 'Unauthorized') => failure(401, 'Unauthorized', message),
  badRequest: (message: string) => failure(400, 'BadRequest', message),
  methodNotAllowed: (gr: GroupResource, action: string) =>
    failure(
      405,
      'MethodNotAllowed',
      `${action} is not supported on resources of kind "${groupResourceText(gr)}"`,
      named(gr, ''),
    ),
  notAcceptable: (accepted: readonly string[]) =>
    failure(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`),
  unsupportedMediaType: (accepted: readonly string[]) =>
    failure(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    ),
  tooLarge: (limit: number) => failure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`),
  expired: (message: string, continueToken?: string) =>
    failure(410, 'Expired', message, undefined, continueToken === undefined ? {} : { continue: continueToken }),
  timeout: (message: string, retryAfterSeconds = 0) =>
    failure(504, 'Timeout', `Timeout: ${message}`, retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  resourceVersionTooLarge: (asked: number, current: number) =>
    failure(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    }),
  serverTimeout: (gr: GroupResource, operation: string) =>
    failure(
      500,
      'ServerTimeout',
      `The ${operation} operation against ${groupResourceText(gr)} could not be completed at this time, please try again.`,
      { ...named(gr, operation), retryAfterSeconds: 1 },
    ),
  tooManyRequests: (message: string, retryAfterSeconds: number, causes?: readonly StatusCause[]) =>
    failure(429, 'TooManyRequests', message, { ...(causes ? { causes } : {}), retryAfterSeconds }),
  serviceUnavailable: (message: string) => failure(503, 'ServiceUnavailable', message),
  internal: (message: string) =>
    failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] }),
  /** 422 with one cause per field error. `kind` is the Kind ("Pod"), unlike in the other builders. */
  invalid: (gk: { group: string; kind: string }, name: string, list: readonly FieldError[]) => {
    const texts = [...new Set(list.map(fieldErrorText))]
    const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
    const subject = gk.group === '' ? gk.kind : `${gk.kind}.${gk.group}`
    return failure(422, 'Invalid', `${subject} "${name}" is invalid${list.length > 0 ? `: ${joined}` : ''}`, {
      ...(name !== '' ? { name } : {}),
      ...(gk.group !== '' ? { group: gk.group } : {}),
      kind: gk.kind,
      causes: list.map(error => ({
        reason: `FieldValue${error.type === 'InternalError' ? 'Internal' : error.type}`,
        message: fieldErrorBody(error),
        field: error.field,
      })),
    })
  },
}

export type FieldErrorType =
  | 'Required'
  | 'Invalid'
  | 'NotSupported'
  | 'Duplicate'
  | 'Forbidden'
  | 'NotFound'
  | 'TooLong'
  | 'TooMany'
  | 'TooFew'
  | 'TypeInvalid'
  | 'InternalError'

export interface FieldError {
  readonly type: FieldErrorType
  readonly field: string
  readonly value?: unknown
  readonly detail: string
  /** The message leaves the value out, as where the detail speaks of it. */
  readonly omitsValue?: boolean
}

/** Builders of field errors; `field` is a path like "spec.containers[0].name". */
export const field = {
  required: (path: string, detail = ''): FieldError => ({ type: 'Required', field: path, detail }),
  invalid: (path: string, value: unknown, detail: string): FieldError => ({
    type: 'Invalid',
    field: path,
    value,
    detail,
  }),
  typeInvalid: (path: string, value: unknown, detail: string): FieldError => ({
    type: 'TypeInvalid',
    field: path,
    value,
    detail,
  }),
  notSupported: (path: string, value: unknown, supported: readonly string[]): FieldError => ({
    type: 'NotSupported',
    field: path,
    value,
    detail: supported.length === 0 ? '' : `supported values: ${supported.map(v => JSON.stringify(v)).join(', ')}`,
  }),
  duplicate: (path: string, value: unknown): FieldError => ({ type: 'Duplicate', field: path, value, detail: '' }),
  forbidden: (path: string, detail: string): FieldError => ({ type: 'Forbidden', field: path, detail }),
  notFound: (path: string, value: unknown): FieldError => ({ type: 'NotFound', field: path, value, detail: '' }),
  tooLong: (path: string, max: number): FieldError => ({
    type: 'TooLong',
    field: path,
    detail: `may not be more than ${max} bytes`,
  }),
  tooMany: (path: string, actual: number, max: number): FieldError => ({
    type: 'TooMany',
    field: path,
    value: actual,
    detail: `must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
  }),
  immutable: (path: string, value: unknown): FieldError => field.invalid(path, value, 'field is immutable'),
}

const typeText: Record<FieldErrorType, string> = {
  Required: 'Required value',
  Invalid: 'Invalid value',
  NotSupported: 'Unsupported value',
  Duplicate: 'Duplicate value',
  Forbidden: 'Forbidden',
  NotFound: 'Not found',
  TooLong: 'Too long',
  TooMany: 'Too many',
  TooFew: 'Too few',
  TypeInvalid: 'Invalid value',
  InternalError: 'Internal error',
}

const withoutValue = new Set<FieldErrorType>(['Required', 'Forbidden', 'TooLong', 'InternalError'])

/** The error without its field, as in Status causes: `Invalid value: "x": must be ...`. */
export function fieldErrorBody(error: FieldError): string {
  const head =
    withoutValue.has(error.type) || error.omitsValue
      ? typeText[error.type]
      : `${typeText[error.type]}: ${valueText(error.value)}`
  return error.detail === '' ? head : `${head}: ${error.detail}`
}

/** The whole error, as in Status messages: `spec.x: Invalid value: ...`. */
export function fieldErrorText(error: FieldError): string {
  return `${error.field}: ${fieldErrorBody(error)}`
}

function valueText(value: unknown): string {
  if (value === undefined || value === null) return 'null'
  if (typeof value !== 'object') return JSON.stringify(value)
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

export function isStatusError(error: unknown, reason?: string): error is StatusError {
  return error instanceof StatusError && (reason === undefined || error.reason === reason)
}

export const isNotFound = (error: unknown): error is StatusError => isStatusError(error, 'NotFound')
export const isConflict = (error: unknown): error is StatusError => isStatusError(error, 'Conflict')
export const isAlreadyExists = (error: unknown): error is StatusError => isStatusError(error, 'AlreadyExists')

/** For `.catch()`: undefined for an object that is not there; other errors go on. */
export function ignoreNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error
}
