/** Says in a few words why a request to S3 failed, and whether to try again. */
import type { S3Settings } from './settings.ts'

export interface Reason {
  readonly text: string
  /** A passing fault: worth trying again at once. */
  readonly passing: boolean
  /** Time may mend it, nobody has to change anything. */
  readonly retriable: boolean
  /** S3's own name for it, such as NoSuchBucket. */
  readonly code?: string
}

/** What errors of the SDK, of Node's sockets and of files have in common. */
interface Failure {
  readonly name?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: { readonly [name: string]: string | undefined } }
}

const broken = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ECONNREFUSED',
  'EAI_AGAIN',
])
const unreachable = new Set([
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
])
const badCertificate = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])
const full = new Set(['ENOSPC', 'EDQUOT'])
/** The server asks to come again, or the bytes did not arrive as they were sent. */
const again = new Set([
  'BadDigest',
  'IncompleteBody',
  'InternalError',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'XAmzContentSHA256Mismatch',
])
const missing = new Set(['NoSuchKey', 'NotFound'])
const denied = new Set(['AccessDenied', 'AllAccessDisabled', 'Forbidden'])
const expired = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired'])

/** `error` is anything that a request, its body or its answer failed with. */
export function reasonOf(error: unknown, settings: S3Settings): Reason {
  const failure = error as Failure
  const status = failure.$metadata?.httpStatusCode
  return status === undefined ? ofConnection(failure, settings) : ofAnswer(failure, status, settings)
}

const lasting = (text: string): Reason => ({ text, passing: false, retriable: false })
const passing = (text: string): Reason => ({ text, passing: true, retriable: true })

function ofConnection(failure: Failure, settings: S3Settings): Reason {
  const { code = '', name, message = '' } = failure
  const { endpoint } = settings
  if (full.has(code)) return { ...lasting(`no space left on this machine's disk (${message})`), retriable: true }
  if (code === 'ECONNREFUSED') return passing(`${endpoint} refuses connections`)
  if (code === 'ENOTFOUND') return { ...lasting(`cannot resolve the host of ${endpoint}: ${message}`), retriable: true }
  if (broken.has(code)) return passing(`the connection to ${endpoint} was broken (${code})`)
  if (unreachable.has(code) || name === 'TimeoutError') return passing(`no answer from ${endpoint}`)
  if (badCertificate.has(code))
    return lasting(
      `the certificate of ${endpoint} is not trusted (${message}): name its CA with etcd-s3-endpoint-ca, or set etcd-s3-skip-ssl-verify`,
    )
  if (code === 'EPROTO' || code.startsWith('ERR_SSL'))
    return lasting(
      `${endpoint} does not speak TLS as expected (${tlsText(message)}): for plain HTTP set etcd-s3-insecure`,
    )
  if (code === 'ERR_PROXY_TUNNEL') return { ...lasting(oneLine(message)), retriable: true }
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError')
    return lasting(`failed to get credentials: ${oneLine(message)}`)
  if (message === 'aborted') return passing(`the connection to ${endpoint} was broken`)
  return { ...lasting(oneLine(message) || String(code || name)), retriable: true }
}

function ofAnswer(failure: Failure, status: number, settings: S3Settings): Reason {
  const { name: code = '' } = failure
  const reason =
    again.has(code) || status === 429 || status === 408 || status >= 500
      ? passing(answered(failure, status, settings))
      : lasting(textOf(failure, code, status, settings))
  return { ...reason, code }
}

function textOf(failure: Failure, name: string, status: number, settings: S3Settings): string {
  const { accessKey, bucket, region } = settings
  if (missing.has(name)) return 'there is no such object'
  if (name === 'SignatureDoesNotMatch')
    return `the secret key does not belong to access key ${accessKey} (SignatureDoesNotMatch)`
  if (name === 'InvalidAccessKeyId') return `access key ${accessKey} is not known to S3 (InvalidAccessKeyId)`
  if (name === 'RequestTimeTooSkewed')
    return "this machine's clock differs too much from that of S3 (RequestTimeTooSkewed)"
  if (name === 'InvalidToken' || expired.has(name)) return `the session token is not valid any more (${name})`
  const home = failure.$response?.headers?.['x-amz-bucket-region']
  if (home !== undefined && home !== region)
    return `bucket ${bucket} is in region ${home}, not ${region}: set etcd-s3-region`
  if (denied.has(name) || (status === 403 && plain(failure)))
    return accessKey === ''
      ? `access denied, no credentials were given: set etcd-s3-access-key and etcd-s3-secret-key`
      : `access denied for access key ${accessKey}`
  return answered(failure, status, settings)
}

/** Whether the answer told nothing that S3 tells: HEAD has no body, and something else may answer at this address. */
const plain = ({ name = '' }: Failure): boolean => name === '' || name === 'Unknown' || name === 'UnknownError'

function answered(failure: Failure, status: number, { endpoint }: S3Settings): string {
  const { name = '', message = '' } = failure
  if (plain(failure)) return `${endpoint} answered HTTP ${status} without a reason that S3 would give`
  return message === '' || message === name || message === 'UnknownError'
    ? `${name} (HTTP ${status})`
    : `${name}: ${oneLine(message)} (HTTP ${status})`
}

/** Of "write EPROTO 40:error:0A:SSL routines:function:wrong version number:file:line". */
const tlsText = (message: string): string => /SSL routines:[^:]*:([^:]+)/.exec(message)?.[1] ?? oneLine(message)

const oneLine = (text: string): string => text.split('\n', 1)[0]!.trim().slice(0, 300)
