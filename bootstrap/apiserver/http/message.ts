/** Requests and responses as the API server sees them, whatever brought them here. */
import type { X509Certificate } from 'node:crypto'
import type { UserInfo } from '../auth/user.ts'

/** Header names are lower case. */
export type RequestHeaders = { readonly [name: string]: string | readonly string[] | undefined }

export interface ApiRequest {
  readonly method: string
  /** Percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: RequestHeaders
  /** The whole body; rejects with a 413 StatusError beyond the server's limit. */
  readonly body: () => Promise<Buffer>
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal
  readonly remoteAddress: string
  readonly peerCertificate?: X509Certificate | undefined
  /** Set when the transport vouches for the caller (in-process); authentication is skipped then. */
  readonly user?: UserInfo | undefined
}

/** A stream's chunks are sent as they come, each flushed at once. */
export type ResponseBody = Buffer | readonly Buffer[] | AsyncIterable<Uint8Array> | undefined

export interface ApiResponse {
  readonly status: number
  readonly headers: { readonly [name: string]: string | readonly string[] }
  readonly body: ResponseBody
}

/** One value of a header; repeated ones are joined as HTTP allows. */
export function headerOf(request: Pick<ApiRequest, 'headers'>, name: string): string {
  const value = request.headers[name]
  if (value === undefined) return ''
  return typeof value === 'string' ? value : value.join(', ')
}

export function jsonResponse(status: number, value: unknown): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(`${JSON.stringify(value)}\n`),
  }
}

export function textResponse(status: number, text: string): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: Buffer.from(text) }
}
