/** From a request's credentials to a user: front proxy, client certificate, bearer token, and the supervisor's passwords. */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'
import type { Secret } from '../../api/types.gen.ts'
import { allows, certificatesOf, subjectOf } from '../../pki/certificate.ts'
import type { PasswdEntry } from '../../pki/token.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import type { Clock } from '../kinds/kind.ts'
import type { ServiceAccountTokens, TokenBearer } from './tokens.ts'
import type { UserInfo } from './user.ts'

/** Lower-case names. Arrays hold repeated headers; a string of a repeatable header is split at its commas. */
export type Headers = { readonly [name: string]: string | readonly string[] | undefined }

export interface Credentials {
  readonly headers: Headers
  /** The TLS client certificate, if one was sent. */
  readonly peerCertificate?: X509Certificate | Buffer | undefined
}

export interface AuthenticatorOptions {
  readonly clientCaPem: string
  readonly requestHeaderCaPem?: string
  /** Common names of front proxies; empty allows any certificate of the request-header CA. */
  readonly requestHeaderNames?: readonly string[]
  readonly tokens: ServiceAccountTokens
  readonly reader: ObjectReader
  /** Resolves once `reader` shows what any server has acknowledged so far. */
  readonly catchUp: () => Promise<void>
  readonly passwd?: () => readonly PasswdEntry[]
  /** Requests without credentials become system:anonymous; K3s has this off. */
  readonly anonymous?: boolean
  readonly clock: Clock
}

export interface Authenticator {
  /** The user, or undefined: answer 401. */
  authenticate(request: Credentials): Promise<UserInfo | undefined>
  /** The same for the supervisor's routes, where node and server also log in by password or bootstrap token. */
  authenticateSupervisor(request: Credentials): Promise<UserInfo | undefined>
  /** Only the bearer token, for TokenReview. `audiences` are those of the token that were asked for. */
  authenticateToken(
    token: string,
    audiences?: readonly string[],
  ): Promise<{ user: UserInfo; audiences: readonly string[] } | undefined>
}

export const anonymousUser: UserInfo = {
  name: 'system:anonymous',
  uid: '',
  groups: ['system:unauthenticated'],
  extra: {},
}

/** Upstream's order (kubernetes/apiserver pkg/authentication/request/union): a bad credential is refused, not anonymous. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { tokens, clock } = options
  const byClientCa = createCertificateCheck(options.clientCaPem, clock)
  const byProxyCa = createCertificateCheck(options.requestHeaderCaPem ?? '', clock)
  const proxyNames = options.requestHeaderNames ?? []

  function fromProxy(headers: Headers, certificate: X509Certificate | undefined): UserInfo | undefined {
    const name = first(headers['x-remote-user'])
    if (name === undefined || name === '' || !certificate) return undefined
    const proxy = byProxyCa(certificate)
    if (!proxy || (proxyNames.length > 0 && !proxyNames.includes(proxy.name))) return undefined
    const extra: Record<string, string[]> = {}
    for (const [header, value] of Object.entries(headers)) {
      if (!header.startsWith('x-remote-extra-')) continue
      extra[decodeHeaderKey(header.slice('x-remote-extra-'.length))] = valuesOf(value)
    }
    return { name, uid: first(headers['x-remote-uid']) ?? '', groups: valuesOf(headers['x-remote-group']), extra }
  }

  async function authenticateToken(token: string, audiences: readonly string[] = tokens.audiences) {
    const bearer = tokens.bearerOf(token, audiences)
    if (bearer && (await isThere(bearer))) {
      return { user: authenticated(bearer.user), audiences: bearer.audiences }
    }
    const user = bootstrapUser(options.reader, clock, token)
    return user && { user: authenticated(user), audiences: [] }
  }

  /** Another server may have made the account, or the token's pod, a moment ago (upstream reads past its cache, too). */
  async function isThere(bearer: TokenBearer): Promise<boolean> {
    if (bearer.isThere()) return true
    await options.catchUp()
    return bearer.isThere()
  }

  async function authenticate({ headers, peerCertificate }: Credentials): Promise<UserInfo | undefined> {
    const certificate = peerCertificate && toCertificate(peerCertificate)
    const user = fromProxy(headers, certificate) ?? (certificate && byClientCa(certificate))
    if (user) return authenticated(user)
    const token = bearerToken(headers)
    if (token !== undefined) return (await authenticateToken(token))?.user
    const tried = certificate !== undefined || first(headers.authorization) !== undefined
    return options.anonymous && !tried ? anonymousUser : undefined
  }

  async function authenticateSupervisor(request: Credentials): Promise<UserInfo | undefined> {
    const basic = basicCredentials(request.headers)
    if (!basic) return authenticate(request)
    const entry = options.passwd?.().find(one => one.name === basic.user)
    if (entry && sameSecret(entry.password, basic.password)) {
      return authenticated({ name: entry.name, uid: entry.uid, groups: [entry.role], extra: {} })
    }
    const user = bootstrapUser(options.reader, clock, `${basic.user}.${basic.password}`)
    return user && authenticated(user)
  }

  return { authenticate, authenticateSupervisor, authenticateToken }
}

const remembered = 1024

/** Checks certificates against a CA bundle; remembers those it has verified, by fingerprint. */
function createCertificateCheck(caPem: string, clock: Clock): (certificate: X509Certificate) => UserInfo | undefined {
  const authorities = certificatesOf(caPem)
  const known = new Map<string, UserInfo | undefined>()
  return certificate => {
    const now = clock.now()
    if (certificate.validFromDate.getTime() > now || certificate.validToDate.getTime() <= now) return undefined
    const id = certificate.fingerprint256
    if (known.has(id)) return known.get(id)
    const { commonName, organizations } = subjectOf(certificate)
    const trusted = commonName !== '' && allows(certificate, 'client') && isIssuedBy(certificate, authorities)
    const user = trusted
      ? { name: commonName, uid: '', groups: organizations, extra: credentialId(certificate) }
      : undefined
    if (known.size >= remembered) known.delete(known.keys().next().value!)
    known.set(id, user)
    return user
  }
}

const longestChain = 4

function isIssuedBy(certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean {
  let current: X509Certificate | undefined = certificate
  for (let depth = 0; current && depth < longestChain; depth++) {
    const subject: X509Certificate = current
    const isIssuer = (ca: X509Certificate) => ca.ca && subject.checkIssued(ca) && subject.verify(ca.publicKey)
    if (authorities.some(isIssuer)) return true
    const next: X509Certificate | undefined = subject.issuerCertificate
    current = next && next !== subject && isIssuer(next) ? next : undefined
  }
  return false
}

const credentialId = (certificate: X509Certificate): UserInfo['extra'] => ({
  'authentication.kubernetes.io/credential-id': [
    `X509SHA256=${createHash('sha256').update(certificate.raw).digest('hex')}`,
  ],
})

function toCertificate(certificate: X509Certificate | Buffer): X509Certificate {
  return certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate)
}

/** A bootstrap token's user, from its Secret in kube-system (upstream: plugin/pkg/auth/authenticator/token/bootstrap). */
function bootstrapUser(reader: ObjectReader, clock: Clock, token: string): UserInfo | undefined {
  const match = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token)
  if (!match) return undefined
  const [, id = '', secret = ''] = match
  const object = reader.get('', 'secrets', 'kube-system', `bootstrap-token-${id}`) as unknown as Secret | undefined
  if (!object || object.metadata?.deletionTimestamp || object.type !== 'bootstrap.kubernetes.io/token') return undefined
  const value = (key: string) => Buffer.from(object.data?.[key] ?? '', 'base64').toString()
  if (value('token-id') !== id || !sameSecret(value('token-secret'), secret)) return undefined
  const expiration = value('expiration')
  if (expiration !== '' && !(Date.parse(expiration) > clock.now())) return undefined
  if (value('usage-bootstrap-authentication') !== 'true') return undefined
  const extraGroups = value('auth-extra-groups').split(',').filter(Boolean)
  if (extraGroups.some(group => !/^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/.test(group))) return undefined
  return { name: `system:bootstrap:${id}`, uid: '', groups: ['system:bootstrappers', ...extraGroups], extra: {} }
}

function authenticated(user: UserInfo): UserInfo {
  const has = user.groups.includes('system:authenticated') || user.groups.includes('system:unauthenticated')
  return has || user.name === anonymousUser.name ? user : { ...user, groups: [...user.groups, 'system:authenticated'] }
}

const websocketPrefix = 'base64url.bearer.authorization.k8s.io.'

function bearerToken(headers: Headers): string | undefined {
  const [scheme, token] = (first(headers.authorization) ?? '').trim().split(/\s+/)
  if (scheme?.toLowerCase() === 'bearer') return token ?? ''
  const protocol = valuesOf(headers['sec-websocket-protocol']).find(one => one.startsWith(websocketPrefix))
  return protocol && Buffer.from(protocol.slice(websocketPrefix.length), 'base64url').toString()
}

function basicCredentials(headers: Headers): { user: string; password: string } | undefined {
  const [scheme, encoded = ''] = (first(headers.authorization) ?? '').trim().split(/\s+/)
  if (scheme?.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
const sameSecret = (a: string, b: string): boolean => a !== '' && timingSafeEqual(sha256(a), sha256(b))

/** The first value of a header. */
export function first(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}

/** All values of a repeatable header. */
export function valuesOf(value: string | readonly string[] | undefined): string[] {
  if (value === undefined) return []
  return typeof value === 'string' ? value.split(/,\s*/) : [...value]
}

/** The key of a "...-Extra-<key>" header: percent-decoded, lower case. */
export function decodeHeaderKey(key: string): string {
  try {
    return decodeURIComponent(key).toLowerCase()
  } catch {
    return key.toLowerCase()
  }
}
