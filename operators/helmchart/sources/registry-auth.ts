/** How a registry wants to be talked to: nothing, a password, or a token it sends its clients elsewhere for. */
import type { RegistryCredentials } from './docker-config.ts'
import { basic, statusText } from './repository.ts'
import type { Answer, Ask, Transport } from './transport.ts'

const largestToken = 1024 * 1024

/** Requests to one repository of a registry; learns from the first refusal what the registry wants. */
export class RegistrySession {
  readonly #transport: Transport
  readonly #credentials: RegistryCredentials | undefined
  readonly #scope: string
  #authorization: string | undefined

  constructor(transport: Transport, credentials: RegistryCredentials | undefined, repository: string) {
    this.#transport = transport
    this.#credentials = credentials
    this.#scope = `repository:${repository}:pull`
    if (credentials?.registryToken !== undefined) this.#authorization = `Bearer ${credentials.registryToken}`
  }

  /** Rejects with Error for any status but 200. */
  async get(url: URL, limit: number, headers: NonNullable<Ask['headers']> = {}): Promise<Answer> {
    let answer = await this.#send(url, limit, headers)
    if (answer.status === 401) {
      this.#authorization = await this.#answerTo(answer.headers['www-authenticate'] ?? '', url)
      answer = await this.#send(url, limit, headers)
    }
    if (answer.status === 200) return answer
    throw new Error(`Get "${url.href}": ${statusText(answer)}${reasonIn(answer)}`)
  }

  #send(url: URL, limit: number, headers: NonNullable<Ask['headers']>): Promise<Answer> {
    const authorization = this.#authorization
    return this.#transport.ask(url, { headers: { ...headers, ...(authorization ? { authorization } : {}) }, limit })
  }

  /** The Authorization header that meets the challenge. */
  async #answerTo(challenge: string, url: URL): Promise<string> {
    const credentials = this.#credentials
    const [, scheme = ''] = /^\s*(\w+)/.exec(challenge) ?? []
    if (scheme.toLowerCase() === 'bearer') return `Bearer ${await this.#token(parametersOf(challenge), url)}`
    if (scheme.toLowerCase() !== 'basic')
      throw new Error(`registry ${url.host} asks for ${JSON.stringify(challenge)}, which is neither Basic nor Bearer`)
    if (!credentials)
      throw new Error(`registry ${url.host} wants a user and password: name them in spec.dockerRegistrySecret`)
    return basic(credentials)
  }

  async #token(challenge: { readonly [name: string]: string }, registry: URL): Promise<string> {
    const realm = URL.parse(challenge.realm ?? '')
    if (!realm || !/^https?:$/.test(realm.protocol))
      throw new Error(`registry ${registry.host} names no place to get a token: ${challenge.realm ?? ''}`)
    const service = challenge.service ?? ''
    const scope = challenge.scope ?? this.#scope
    const answer = this.#credentials?.identityToken
      ? await this.#exchange(realm, service, scope, this.#credentials.identityToken)
      : await this.#fetchToken(realm, service, scope)
    if (answer.status !== 200)
      throw new Error(`Get "${realm.href}": ${statusText(answer)}${reasonIn(answer)}, no token for ${registry.host}`)
    const { token, access_token: accessToken } = parseJson(answer) as { token?: string; access_token?: string }
    const text = token || accessToken
    if (!text) throw new Error(`Get "${realm.href}": the answer has no token`)
    return text
  }

  #fetchToken(realm: URL, service: string, scope: string): Promise<Answer> {
    const url = new URL(realm)
    if (service !== '') url.searchParams.set('service', service)
    url.searchParams.set('scope', scope)
    const credentials = this.#credentials
    const headers = credentials?.username ? { authorization: basic(credentials) } : {}
    return this.#transport.ask(url, { headers, limit: largestToken })
  }

  #exchange(realm: URL, service: string, scope: string, refreshToken: string): Promise<Answer> {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: 'skiff',
      scope,
      refresh_token: refreshToken,
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return this.#transport.ask(realm, { method: 'POST', headers, body: body.toString(), limit: largestToken })
  }
}

/** `Bearer realm="...",service="..."` as a map. */
function parametersOf(challenge: string): { readonly [name: string]: string } {
  const pairs = challenge.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)
  return Object.fromEntries([...pairs].map(([, name, quoted, plain]) => [name!.toLowerCase(), quoted ?? plain ?? '']))
}

/** What the registry says of its refusal. */
function reasonIn(answer: Answer): string {
  const { errors } = parseJson(answer) as { errors?: readonly { code?: string; message?: string }[] }
  const texts = Array.isArray(errors) ? errors.map(({ code, message }) => message || code).filter(Boolean) : []
  return texts.length > 0 ? ` (${texts.join('; ')})` : ''
}

function parseJson({ body }: Answer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) ?? {}
  } catch {
    return {}
  }
}
