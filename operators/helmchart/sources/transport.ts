/** HTTP for charts: limits on time, size and redirects, the TLS settings of one chart, proxies. */
import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, createSecureContext } from 'node:tls'
import { type ProxyVariables, proxyFor } from '../../runtime/proxy.ts'

export interface TlsSettings {
  /** Certificates (PEM) to trust in place of the system's. */
  readonly ca?: string | undefined
  /** Certificates (PEM) to trust beside the system's. */
  readonly moreCa?: string | undefined
  readonly insecure?: boolean | undefined
  /** The client's certificate and key (PEM). */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

export interface TransportOptions {
  readonly tls: TlsSettings
  readonly proxies: ProxyVariables
  readonly signal: AbortSignal
  /** From the request to the last byte of its answer. */
  readonly timeoutMs?: number
}

export interface Ask {
  readonly method?: 'GET' | 'HEAD' | 'POST'
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  /** Bytes of the answer to take at most. */
  readonly limit: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** Where it came from in the end. */
  readonly url: URL
}

export interface Transport {
  /**
   * Follows up to ten redirects; credentials stay with the host they were meant for. Any status resolves. Rejects with
   * Error `Get "URL": why` when there is no answer, or one that is too large or too late.
   */
  ask(url: URL, ask: Ask): Promise<Answer>
  /** Ends connections that are kept for further requests. */
  close(): void
}

const defaultTimeoutMs = 120_000
const mostRedirects = 10
const mebibyte = 1024 * 1024

export function createTransport(options: TransportOptions): Transport {
  const agents = new Agents(options)
  return {
    ask: (url, ask) => follow(agents, url, ask, options),
    close: () => agents.close(),
  }
}

async function follow(agents: Agents, first: URL, ask: Ask, options: TransportOptions): Promise<Answer> {
  const { signal, timeoutMs = defaultTimeoutMs } = options
  const timeout = AbortSignal.timeout(timeoutMs)
  const both = AbortSignal.any([signal, timeout])
  let current = { url: first, ask }
  for (let redirects = 0; ; redirects++) {
    const { url } = current
    try {
      const answer = await exchange(agents, url, current.ask, both)
      const target = redirectOf(answer)
      if (!target) return answer
      if (redirects === mostRedirects) throw new Error(`stopped after ${mostRedirects} redirects`)
      current = { url: target, ask: redirected(current.ask, url, target, answer.status) }
    } catch (error) {
      const { method = 'GET' } = ask
      const why = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error)
      const verb = method.charAt(0) + method.slice(1).toLowerCase()
      throw new Error(`${verb} "${withoutPassword(url)}": ${why}`, { cause: error })
    }
  }
}

function redirectOf({ status, headers, url }: Answer): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(status) || headers.location === undefined) return undefined
  const target = URL.parse(headers.location, url.href)
  if (!target || !/^https?:$/.test(target.protocol))
    throw new Error(`redirected to ${JSON.stringify(headers.location)}`)
  return target
}

function redirected(ask: Ask, from: URL, to: URL, status: number): Ask {
  const mayKeep = from.host === to.host && (to.protocol === 'https:' || from.protocol === 'http:')
  const headers = Object.entries(ask.headers ?? {}).filter(
    ([name]) => mayKeep || !/^(authorization|cookie)$/i.test(name),
  )
  const repeats = ask.method === 'POST' && (status === 307 || status === 308)
  const { body: _body, ...rest } = ask
  const method = repeats || ask.method === 'HEAD' ? ask.method : 'GET'
  return { ...(repeats ? ask : rest), method: method ?? 'GET', headers: Object.fromEntries(headers) }
}

/** One request, without redirects. */
async function exchange(agents: Agents, url: URL, ask: Ask, signal: AbortSignal): Promise<Answer> {
  const proxy = proxyFor(url, agents.proxies)
  const { method = 'GET', body, limit } = ask
  const headers = { 'user-agent': 'skiff-helm', ...ask.headers }
  const common: RequestOptions = { method, headers, signal }
  const isTls = url.protocol === 'https:'
  const request = isTls
    ? httpsRequest(url, {
        ...common,
        ...agents.tls,
        agent: proxy ? agents.tunnelled(proxy, url, signal) : agents.https,
      })
    : proxy
      ? throughProxy(proxy, url, { ...common, agent: agents.http })
      : httpRequest(url, { ...common, agent: agents.http })
  request.end(body)
  const [response] = (await once(request, 'response', { signal })) as [IncomingMessage]
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await read(response, limit),
    url,
  }
}

async function read(response: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new Error(`the answer is larger than ${Math.floor(limit / mebibyte)} MiB`)
  if (Number(response.headers['content-length'] ?? 0) > limit) {
    response.destroy()
    throw tooLarge()
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Plain http through a proxy: it is asked for the whole URL. */
function throughProxy(proxy: URL, url: URL, options: RequestOptions) {
  const headers = { host: url.host, ...options.headers, ...proxyCredentials(proxy) }
  return httpRequest(proxy, { ...options, path: url.href, headers })
}

function proxyCredentials({ username, password }: URL): { readonly [name: string]: string } {
  if (username === '') return {}
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` }
}

class Agents {
  readonly http = new HttpAgent({ keepAlive: true })
  readonly https: HttpsAgent
  readonly tls: ConnectionOptions
  readonly proxies: ProxyVariables
  readonly #tunnels: HttpsAgent[] = []

  constructor({ tls, proxies }: TransportOptions) {
    this.tls = tlsOptions(tls)
    this.https = new HttpsAgent({ keepAlive: true, ...this.tls })
    this.proxies = proxies
  }

  /** An agent whose one connection goes through the proxy by CONNECT. */
  tunnelled(proxy: URL, url: URL, signal: AbortSignal): HttpsAgent {
    const agent = new HttpsAgent({ keepAlive: false })
    const { tls } = this
    agent.createConnection = (_options, callback) => {
      tunnel(proxy, url, signal).then(
        socket => callback?.(null, connectTls({ ...tls, socket, servername: sniOf(url) })),
        error => callback?.(error as Error, undefined as never),
      )
      return undefined as never
    }
    this.#tunnels.push(agent)
    return agent
  }

  close(): void {
    for (const agent of [this.http, this.https, ...this.#tunnels]) agent.destroy()
  }
}

async function tunnel(proxy: URL, url: URL, signal: AbortSignal): Promise<Socket> {
  const target = `${url.hostname}:${url.port || 443}`
  const ask = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = { host: target, ...proxyCredentials(proxy) }
  const request = ask(proxy, { method: 'CONNECT', path: target, headers, signal })
  request.end()
  const [response, socket] = (await once(request, 'connect', { signal })) as [IncomingMessage, Socket]
  if (response.statusCode === 200) return socket
  socket.destroy()
  throw new Error(`proxy ${proxy.host} refuses the connection: ${response.statusCode} ${response.statusMessage}`)
}

const sniOf = (url: URL): string => (/^[\d.]+$|^\[/.test(url.hostname) ? '' : url.hostname)

/** With Node's own roots and one more, nothing need be parsed but that one. */
function tlsOptions({ ca, moreCa, insecure, cert, key }: TlsSettings): ConnectionOptions {
  const secureContext = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
  if (ca === undefined && moreCa !== undefined) (secureContext.context as CertificateStore).addCACert(moreCa)
  return { secureContext, rejectUnauthorized: !insecure }
}

/** The part of Node's native context that has no option. */
interface CertificateStore {
  addCACert(pem: string): void
}

function reasonOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return message === '' && code !== undefined ? code : message
}

/** For messages. */
function withoutPassword(url: URL): string {
  if (url.password === '') return url.href
  const shown = new URL(url)
  shown.password = 'xxxxx'
  return shown.href
}
