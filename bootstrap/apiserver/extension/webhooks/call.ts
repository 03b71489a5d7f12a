/** Sends reviews: to a Service's ready endpoints or to a URL, over TLS that the webhook's bundle vouches for. */
import type { ConnectVia } from '../../subresources/backends.ts'
import { connections } from '../aggregation/connections.ts'
import { type EndpointParts, reachable } from '../aggregation/endpoints.ts'
import { failureText } from '../aggregation/failure-text.ts'
import type { Webhook } from './hooks.ts'

export interface CallParts extends EndpointParts {
  readonly random: () => number
  /** The way to addresses that are not simply dialled. */
  readonly via?: ConnectVia | undefined
  readonly signal: AbortSignal
}

/** Resolves with the body of the answer. Rejects, naming what was asked, when there is none. */
export type Send = (webhook: Webhook, review: object, signal: AbortSignal) => Promise<string>

export function sender(parts: CallParts): Send {
  const connect = connections(undefined, parts.signal, { repeatable: true, via: parts.via })
  return async (webhook, review, signal) => {
    const seconds = webhook.timeoutSeconds ?? 10
    const target = targetOf(parts, webhook, seconds)
    const late = AbortSignal.timeout(seconds * 1000)
    const body = Buffer.from(JSON.stringify(review))
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'content-length': `${body.length}`,
    }
    try {
      const connection = await connect(target.trust, target.address, true)
      const all = AbortSignal.any([late, signal])
      const answer = await connection.request('', 'POST', target.path, headers, all, body)
      const chunks: Uint8Array[] = []
      for await (const chunk of answer.body) chunks.push(chunk as Uint8Array)
      const text = Buffer.concat(chunks).toString('utf8')
      if (answer.status < 200 || answer.status >= 300) throw new Refusal(refusalText(answer.status, text))
      return text
    } catch (error) {
      if (error instanceof Refusal) throw error
      const why = late.aborted ? 'context deadline exceeded' : failureText(error)
      throw new Error(`Post ${JSON.stringify(target.url)}: ${why}`)
    }
  }
}

/** The webhook's server answered, but not with a review. */
class Refusal extends Error {}

/** In the words of client-go, to which a webhook is an API server (apimachinery NewGenericServerResponse). */
function refusalText(status: number, text: string): string {
  const said = text.trim()
  const known: { readonly [status: number]: string } = {
    400: 'the server rejected our request for an unknown reason',
    401: 'the server has asked for the client to provide credentials',
    403: said,
    404: 'the server could not find the requested resource',
    409: 'the server reported a conflict',
    429: 'the server has received too many requests and has asked us to try again later',
    503: 'the server is currently unable to handle the request',
    504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
  }
  if (known[status] !== undefined) return known[status]
  if (status >= 500)
    return `an error on the server (${JSON.stringify(said || 'unknown')}) has prevented the request from succeeding`
  return `the server responded with the status code ${status} but did not return more information`
}

function targetOf(parts: CallParts, { clientConfig }: Webhook, seconds: number) {
  const bundle = clientConfig.caBundle
  const caBundle = bundle ? Buffer.from(bundle, 'base64').toString('utf8') : undefined
  const { service } = clientConfig
  if (!service) {
    const { hostname, port, pathname, search } = new URL(clientConfig.url ?? '')
    const query = `${search === '' ? '?' : `${search}&`}timeout=${seconds}s`
    const host = hostname.replace(/^\[|\]$/g, '')
    const address = { host, port: port === '' ? 443 : Number(port) }
    const url = `${clientConfig.url}${query}`
    return { trust: { caBundle, insecure: false, serverName: host }, address, path: `${pathname}${query}`, url }
  }
  const { namespace, name, port = 443 } = service
  const path = `${service.path ?? '/'}?timeout=${seconds}s`
  const found = reachable(parts, { service: { namespace, name, port } })
  if ('reason' in found) throw new Error(unreachable(found.reason, name, port))
  const address = found.at[Math.floor(parts.random() * found.at.length)]!
  const serverName = `${name}.${namespace}.svc`
  const url = `https://${serverName}:${port}${path}`
  return { trust: { caBundle, insecure: false, serverName }, address, path, url }
}

function unreachable(reason: string, name: string, port: number): string {
  if (reason === 'ServiceNotFound') return `service ${JSON.stringify(name)} not found`
  if (reason === 'ServicePortError') return `no service port ${port} found for service ${JSON.stringify(name)}`
  return `no endpoints available for service ${JSON.stringify(name)}`
}
