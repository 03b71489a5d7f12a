/** Speaking to a server one joins: its CA is checked against the token's hash before any secret is sent (k3s-io/k3s pkg/clientaccess). */
import { Agent, request } from 'node:https'
import { getCACertificates } from 'node:tls'
import { checkCaHash, parseToken, type Token, TokenError } from '../pki/token.ts'

const defaultTimeoutMs = 10_000
/** A connection is kept for the next question so long. */
const idleMs = 2000

export interface AccessOptions {
  /** Whose password the token holds, whatever user it names: "server" or "node". */
  readonly user: 'server' | 'node'
  readonly log: { warn(fields: object, message: string): void }
  /** PEM, a client certificate to be shown besides the token. */
  readonly client?: { readonly cert: string; readonly key: string }
  /** PEM, the server's CA where it is known already; asked for only without a token. */
  readonly ca?: string
  readonly signal?: AbortSignal
}

export interface ServerAnswer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | readonly string[] | undefined }
  readonly body: Buffer
}

export interface Ask {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: Buffer | string
  readonly timeoutMs?: number
  /** In place of the one the access was made with; `null` shows none. */
  readonly client?: { readonly cert: string; readonly key: string } | null
  readonly withoutToken?: boolean
}

export interface ServerAccess {
  /** The server's URL without a path or a slash at its end. */
  readonly url: string
  /** PEM by which the server's certificate was checked; undefined when the machine trusts it anyway. */
  readonly ca: string | undefined
  readonly token: Token
  /** The certificate shown besides the token, if any. */
  readonly client: AccessOptions['client'] | undefined
  /** Any answer there is, whatever its status; rejects when the server cannot be reached or is another one. */
  ask(path: string, options?: Ask): Promise<ServerAnswer>
  /** The body of a 2xx answer; rejects with `<url>: <status> <text>` otherwise. */
  get(path: string, options?: Ask): Promise<Buffer>
}

/** The server answered, but not with what was asked for. */
export class AnswerError extends Error {
  readonly status: number

  constructor(url: string, { status, body }: ServerAnswer) {
    super(`${url}: ${status} ${messageOf(body)}`.trimEnd())
    this.name = 'AnswerError'
    this.status = status
  }
}

/**
 * Fetches the server's CA and checks it against the token; without a token, the CA is `options.ca`. Rejects with TokenError for a token that makes no sense or whose
 * hash is another one, for a URL that is not https, and with what the network says.
 */
export async function accessServer(
  server: string,
  text: string | undefined,
  options: AccessOptions,
): Promise<ServerAccess> {
  const token = text === undefined ? {} : parseToken(text)
  const url = serverUrl(server)
  const ca = text === undefined ? options.ca : await trustedCa(url, token, options)
  const authorization = text === undefined ? undefined : authorizationOf(token, options.user)
  const vouchers = ca ?? getCACertificates('system')
  const agent = new Agent({ keepAlive: true, timeout: idleMs })
  const ask = (path: string, asked: Ask = {}) => {
    const client = asked.client === null ? undefined : (asked.client ?? options.client)
    const shown = asked.withoutToken || authorization === undefined ? {} : { Authorization: authorization }
    const headers = { ...shown, ...asked.headers }
    return send(`${url}${path}`, { ...asked, headers }, { ca: vouchers, ...client }, options.signal, agent)
  }
  return {
    url,
    ca,
    token,
    client: options.client,
    ask,
    async get(path, asked) {
      const answer = await ask(path, asked)
      if (answer.status < 200 || answer.status > 299) throw new AnswerError(`${url}${path}`, answer)
      return answer.body
    },
  }
}

/**
 * The server's CA, once it is found to be the one the token pins; undefined when this machine trusts the server without it.
 * K3s asks the machine first. Here it comes last, with the same outcome: its hundreds of roots cost a node 14 MB.
 */
async function trustedCa(url: string, token: Token, { log, signal }: AccessOptions): Promise<string | undefined> {
  const path = `${url}/cacerts`
  const ca = await servedCa(path, signal)
  const doubt = await doubtAbout(path, ca, token, signal)
  if (!doubt) {
    if (token.caHash === undefined) log.warn({}, unpinned)
    return ca
  }
  if (!(await isTrustedByMachine(path, signal))) throw doubt
  if (token.caHash !== undefined) log.warn({}, notValidated)
  return undefined
}

const notValidated = 'Cluster CA certificate is trusted by the host CA bundle. Token CA hash will not be validated.'
const unpinned =
  "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation."

async function servedCa(path: string, signal: AbortSignal | undefined): Promise<string> {
  const answer = await send(path, {}, { rejectUnauthorized: false }, signal).catch((error: Error) => {
    throw new Error(`failed to get CA certs: ${error.message}`, { cause: error })
  })
  if (answer.status === 200) return answer.body.toString()
  const cause = new AnswerError(path, answer)
  throw new Error(`failed to get CA certs: ${cause.message}`, { cause })
}

/** Why these certificates do not vouch for the server, or not by this token; undefined when they do. */
async function doubtAbout(
  path: string,
  ca: string,
  token: Token,
  signal: AbortSignal | undefined,
): Promise<Error | undefined> {
  try {
    await send(path, {}, { ca }, signal)
  } catch (error) {
    return new Error(`CA cert validation failed: ${(error as Error).message}`, { cause: error })
  }
  try {
    checkCaHash(token, ca)
    return undefined
  } catch (error) {
    return error as TokenError
  }
}

async function isTrustedByMachine(path: string, signal: AbortSignal | undefined): Promise<boolean> {
  const answer = await send(path, {}, { ca: getCACertificates('system') }, signal).catch(() => undefined)
  return answer?.status === 200
}

/** "https://host:port". Throws TokenError for another scheme and for what is no URL. */
export function serverUrl(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined
  if (!url) throw new TokenError(`Invalid server url, failed to parse: ${server}`)
  if (url.protocol !== 'https:') throw new TokenError(`only https:// URLs are supported, invalid scheme: ${server}`)
  return url.origin
}

/** How a request shows the token: as a user's password, or as a bootstrap token's id and secret. */
export function authorizationOf({ bootstrap, password = '' }: Token, user: string): string {
  const [name, secret] = bootstrap ? [bootstrap.id, bootstrap.secret] : [user, password]
  return `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
}

interface Tls {
  readonly ca?: string | string[] | undefined
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
}

/** One request, over HTTP/1.1; on a connection of its own unless an agent keeps some. */
function send(
  url: string,
  ask: Ask,
  tls: Tls,
  signal: AbortSignal | undefined,
  agent = new Agent({ keepAlive: false }),
): Promise<ServerAnswer> {
  const { method = 'GET', headers = {}, body, timeoutMs = defaultTimeoutMs } = ask
  const late = AbortSignal.timeout(timeoutMs)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        agent,
        headers: { ...headers, ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }) },
        signal: signal ? AbortSignal.any([signal, late]) : late,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
        rejectUnauthorized: tls.rejectUnauthorized ?? true,
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
      },
    )
    outgoing.on('error', error => {
      reject(late.aborted && !signal?.aborted ? new Error(`no answer from ${url} within ${timeoutMs} ms`) : error)
    })
    outgoing.end(body)
  })
}

/** What a Status says, else the text. */
function messageOf(body: Buffer): string {
  const text = body.toString().trim()
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text
  } catch {
    return text
  }
}
