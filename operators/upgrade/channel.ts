/** Asking a channel server for the latest version (upstream pkg/upgrade/plan ResolveChannel). */
import { type ClientRequest, type IncomingMessage, Agent as PlainAgent, request as requestPlain } from 'node:http'
import { request as requestSecure, Agent as SecureAgent } from 'node:https'
import { posix } from 'node:path'
import { getCACertificates } from 'node:tls'

export interface ChannelQuery {
  readonly url: string
  readonly latestVersion: string | undefined
  /** The uid of the namespace kube-system. */
  readonly clusterId: string
}

/** Asks once, without following redirects. Rejects when there is no answer. */
export type AskChannel = (query: ChannelQuery, signal: AbortSignal) => Promise<ChannelAnswer>

export interface ChannelAnswer {
  readonly status: number
  readonly statusText: string
  readonly location: string | undefined
}

/** The version a channel names, not munged. Throws Error with one line. */
export async function resolveChannel(query: ChannelQuery, ask: AskChannel, signal: AbortSignal): Promise<string> {
  const { status, statusText, location } = await ask(query, signal)
  if (status === 302) {
    if (location === undefined) throw new Error('http: no Location header in response')
    return baseName(decodeURIComponent(new URL(location, query.url).pathname))
  }
  // Upstream takes the channel's own name then, whatever it is.
  if (Math.trunc(status / 200) === 1) return baseName(query.url)
  throw new Error(`unexpected response: HTTP/1.1 ${status} ${statusText}`)
}

/** Go's filepath.Base. */
function baseName(path: string): string {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed === '') return path === '' ? '.' : '/'
  return posix.basename(trimmed)
}

const timeoutMs = 30_000

/** By HTTP or HTTPS, trusting the machine's authorities, through the proxy the environment names. */
export const askChannel: AskChannel = async ({ url, latestVersion, clusterId }, signal) => {
  const target = new URL(url)
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw new Error(`unsupported protocol scheme "${target.protocol.slice(0, -1)}", want https`)
  const headers = {
    ...(clusterId === '' ? {} : { 'X-SUC-Cluster-ID': clusterId }),
    ...(latestVersion ? { 'X-SUC-Latest-Version': latestVersion } : {}),
  }
  const options = { method: 'GET', headers, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) }
  const request = target.protocol === 'https:' ? secure(target, options) : plain(target, options)
  return new Promise((resolve, reject) => {
    request.on('error', error => reject(new Error(`Get "${url}": ${error.message}`)))
    request.on('response', (response: IncomingMessage) => {
      const { statusCode = 0, statusMessage = '', headers } = response
      response.destroy()
      resolve({ status: statusCode, statusText: statusMessage, location: headers.location })
    })
    request.end()
  })
}

type Options = { readonly method: string; readonly headers: { [name: string]: string }; readonly signal: AbortSignal }

function secure(target: URL, options: Options): ClientRequest {
  const ca = [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
  return requestSecure(target, { ...options, ca, agent: new SecureAgent({ proxyEnv: process.env } as object) })
}

function plain(target: URL, options: Options): ClientRequest {
  return requestPlain(target, { ...options, agent: new PlainAgent({ proxyEnv: process.env } as object) })
}
