/** Service-account tokens: issuing them for TokenRequest, checking them for authentication, and the OIDC documents. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto'
import { errors, field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Pod, Secret } from '../../api/types.gen.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import type { Clock } from '../kinds/kind.ts'
import { createJwtVerifier, jwtAlgorithm, signJwt } from './jwt.ts'
import type { UserInfo } from './user.ts'

/** Tokens the admission plugin mounts ask for this odd lifetime; they are then valid for a year, as upstream's are. */
export const mountedTokenSeconds = 3607
const extendedSeconds = 365 * 86_400
/** A bound object may outlive its deletion timestamp by this much before its tokens fail. */
const deletionLeewayMs = 60_000
const legacyIssuer = 'kubernetes/serviceaccount'

export interface BoundObject {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
  readonly name?: string | undefined
  readonly uid?: string | undefined
}

export interface TokenRequest {
  readonly namespace: string
  readonly serviceAccount: string
  /** Empty or absent: the API server's own. */
  readonly audiences?: readonly string[] | undefined
  /** Default 3600. */
  readonly expirationSeconds?: number | undefined
  readonly boundObject?: BoundObject | undefined
}

export interface IssuedToken {
  readonly token: string
  /** RFC 3339. */
  readonly expirationTimestamp: string
  readonly audiences: readonly string[]
}

export interface TokenBearer {
  readonly user: UserInfo
  /** The requested audiences that the token has. */
  readonly audiences: readonly string[]
  /** Whether the account and what the token is bound to are there, as far as this server knows. */
  isThere(): boolean
}

export interface ServiceAccountTokensOptions {
  /** e.g. https://kubernetes.default.svc.cluster.local */
  readonly issuer: string
  /** Audiences of the API server; the first ones of K3s are the issuer and "k3s". */
  readonly audiences: readonly string[]
  /** PEM private keys: `signing` signs, all of `all` verify. */
  readonly keys: { readonly signing: string; readonly all: readonly string[] }
  readonly reader: ObjectReader
  readonly clock: Clock
}

interface Claims {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | readonly string[]
  readonly exp?: number
  readonly nbf?: number
  readonly jti?: string
  readonly 'kubernetes.io'?: {
    readonly namespace?: string
    readonly serviceaccount?: Ref
    readonly pod?: Ref
    readonly secret?: Ref
    readonly node?: Ref
  }
  readonly 'kubernetes.io/serviceaccount/namespace'?: string
  readonly 'kubernetes.io/serviceaccount/service-account.name'?: string
  readonly 'kubernetes.io/serviceaccount/service-account.uid'?: string
  readonly 'kubernetes.io/serviceaccount/secret.name'?: string
}

interface Ref {
  readonly name?: string
  readonly uid?: string
}

export type ServiceAccountTokens = ReturnType<typeof serviceAccountTokens>

/** Everything about tokens of one issuer. Upstream: pkg/serviceaccount, pkg/registry/core/serviceaccount/storage/token.go. */
export function serviceAccountTokens({ issuer, audiences, keys, reader, clock }: ServiceAccountTokensOptions) {
  const signing = createPrivateKey(keys.signing)
  const publicKeys = new Map<string, KeyObject>(
    keys.all.map(pem => createPublicKey(pem)).map(key => [keyIdOf(key), key] as const),
  )
  const signingId = keyIdOf(createPublicKey(signing))
  const decode = createJwtVerifier<Claims>(publicKeys)

  const signed = (claims: object): string => signJwt(signing, signingId, claims)

  /**
   * Issues a bound token. Throws StatusError: 404 when the account or bound object is missing, 409 on a UID mismatch, 422
   * for a lifetime outside 600..2^32 seconds, 400 for a bound object of another kind or another account's pod.
   */
  function issueToken(request: TokenRequest): IssuedToken {
    const seconds = request.expirationSeconds ?? 3600
    checkLifetime(seconds)
    const account = reader.get('', 'serviceaccounts', request.namespace, request.serviceAccount)
    if (!account) throw errors.notFound({ group: '', resource: 'serviceaccounts' }, request.serviceAccount)
    const aud = request.audiences?.length ? request.audiences : audiences
    const bound = request.boundObject ? bind(request, request.boundObject) : undefined
    const now = Math.floor(clock.now() / 1000)
    const extended =
      seconds === mountedTokenSeconds && bound?.pod !== undefined && aud.every(one => audiences.includes(one))
    const token = signed({
      aud,
      exp: now + (extended ? extendedSeconds : seconds),
      iat: now,
      iss: issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace: request.namespace,
        ...bound,
        serviceaccount: { name: request.serviceAccount, uid: account.metadata.uid },
        ...(extended ? { warnafter: now + seconds } : {}),
      },
      nbf: now,
      sub: usernameOf(request.namespace, request.serviceAccount),
    })
    const expires = new Date((now + seconds) * 1000).toISOString().replace('.000Z', 'Z')
    return { token, expirationTimestamp: expires, audiences: aud }
  }

  function bind(request: TokenRequest, object: BoundObject): { pod?: Ref; node?: Ref; secret?: Ref } {
    const { namespace } = request
    switch (`${object.apiVersion ?? ''}/${object.kind}`) {
      case 'v1/Pod': {
        const pod = boundTo('pods', namespace, object) as unknown as Pod
        if (pod.spec?.serviceAccountName !== request.serviceAccount) {
          throw errors.badRequest(
            `cannot bind token for serviceaccount ${JSON.stringify(request.serviceAccount)} to pod running with different serviceaccount name.`,
          )
        }
        const nodeName = pod.spec?.nodeName
        const node = nodeName ? reader.get('', 'nodes', '', nodeName) : undefined
        return {
          ...(nodeName ? { node: { name: nodeName, ...(node?.metadata.uid ? { uid: node.metadata.uid } : {}) } } : {}),
          pod: refOf(pod as unknown as KubeObject),
        }
      }
      case 'v1/Secret':
        return { secret: refOf(boundTo('secrets', namespace, object)) }
      case 'v1/Node':
        return { node: refOf(boundTo('nodes', '', object)) }
      default:
        throw errors.badRequest(
          `cannot bind token to object of type /${object.apiVersion ?? ''}, Kind=${object.kind ?? ''}`,
        )
    }
  }

  function boundTo(resource: string, namespace: string, object: BoundObject): KubeObject {
    const name = object.name ?? ''
    const found = reader.get('', resource, namespace, name)
    if (!found) throw errors.notFound({ group: '', resource }, name)
    if (object.uid && object.uid !== found.metadata.uid) {
      throw errors.conflict(
        { group: '', resource },
        name,
        `the UID in the bound object reference (${object.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      )
    }
    return found
  }

  /** A token without expiry for a Secret of type kubernetes.io/service-account-token. */
  function issueLegacyToken(
    secret: { namespace: string; name: string },
    account: { name: string; uid: string },
  ): string {
    return signed({
      iss: legacyIssuer,
      'kubernetes.io/serviceaccount/namespace': secret.namespace,
      'kubernetes.io/serviceaccount/secret.name': secret.name,
      'kubernetes.io/serviceaccount/service-account.name': account.name,
      'kubernetes.io/serviceaccount/service-account.uid': account.uid,
      sub: usernameOf(secret.namespace, account.name),
    })
  }

  /**
   * Whose a token is by what it says itself, or undefined when it is not ours, out of date or for other audiences.
   * Signatures are checked once per token, the rest every time.
   */
  function bearerOf(token: string, wanted: readonly string[] = audiences): TokenBearer | undefined {
    const claims = decode(token)
    if (!claims) return undefined
    if (claims.iss === legacyIssuer) return legacyBearer(token, claims, wanted)
    const now = clock.now() / 1000
    const bound = claims['kubernetes.io']
    const { namespace, serviceaccount: account } = bound ?? {}
    const matching = wanted.filter(audience => [claims.aud].flat().includes(audience))
    if (claims.iss !== issuer || matching.length === 0 || namespace === undefined || account?.name === undefined) {
      return undefined
    }
    if (claims.exp === undefined || now >= claims.exp || now < (claims.nbf ?? 0) - 1) return undefined
    const isThere = () =>
      isAlive('serviceaccounts', namespace, account) &&
      (!bound?.pod || isAlive('pods', namespace, bound.pod)) &&
      (!bound?.secret || isAlive('secrets', namespace, bound.secret)) &&
      (!bound?.node || bound.pod !== undefined || isAlive('nodes', '', bound.node))
    return { user: userOf(namespace, account, extraOf(claims)), audiences: matching, isThere }
  }

  function legacyBearer(token: string, claims: Claims, wanted: readonly string[]): TokenBearer | undefined {
    const namespace = claims['kubernetes.io/serviceaccount/namespace'] ?? ''
    const name = claims['kubernetes.io/serviceaccount/service-account.name'] ?? ''
    const uid = claims['kubernetes.io/serviceaccount/service-account.uid'] ?? ''
    const secretName = claims['kubernetes.io/serviceaccount/secret.name'] ?? ''
    const matching = wanted.filter(audience => audiences.includes(audience))
    if (matching.length === 0) return undefined
    const isThere = () => {
      const secret = reader.get('', 'secrets', namespace, secretName) as unknown as Secret | undefined
      const stored = Buffer.from(secret?.data?.token ?? '', 'base64').toString()
      return (
        stored === token && !secret?.metadata?.deletionTimestamp && isAlive('serviceaccounts', namespace, { name, uid })
      )
    }
    return { user: userOf(namespace, { name, uid }, {}), audiences: matching, isThere }
  }

  function isAlive(resource: string, namespace: string, ref: Ref): boolean {
    const object = reader.get('', resource, namespace, ref.name ?? '')
    if (!object || object.metadata.uid !== ref.uid) return false
    const { deletionTimestamp } = object.metadata
    return deletionTimestamp === undefined || Date.parse(deletionTimestamp) + deletionLeewayMs > clock.now()
  }

  return {
    issueToken,
    issueLegacyToken,
    bearerOf,
    audiences,
    /** Body of /.well-known/openid-configuration. */
    openIdConfiguration: () => ({
      issuer,
      jwks_uri: `${issuer}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...new Set([...publicKeys.values()].map(jwtAlgorithm))],
    }),
    /** Body of /openid/v1/jwks (application/jwk-set+json). */
    jwks: () => ({
      keys: [...publicKeys].map(([kid, key]) => {
        const { kty, ...rest } = key.export({ format: 'jwk' })
        return { use: 'sig', kty, kid, alg: jwtAlgorithm(key), ...rest }
      }),
    }),
  }
}

function checkLifetime(seconds: number): void {
  const problem =
    seconds < 600
      ? 'may not specify a duration less than 10 minutes'
      : seconds > 2 ** 32
        ? 'may not specify a duration larger than 2^32 seconds'
        : undefined
  if (problem === undefined) return
  const gk = { group: 'authentication.k8s.io', kind: 'TokenRequest' }
  throw errors.invalid(gk, '', [field.invalid('spec.expirationSeconds', seconds, problem)])
}

/** "system:serviceaccount:<namespace>:<name>" */
export const usernameOf = (namespace: string, name: string): string => `system:serviceaccount:${namespace}:${name}`

function userOf(namespace: string, account: Ref, extra: UserInfo['extra']): UserInfo {
  return {
    name: usernameOf(namespace, account.name ?? ''),
    uid: account.uid ?? '',
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra,
  }
}

function extraOf(claims: Claims): UserInfo['extra'] {
  const { pod, node } = claims['kubernetes.io'] ?? {}
  const entries: readonly [string, string | undefined][] = [
    ['credential-id', claims.jti === undefined ? undefined : `JTI=${claims.jti}`],
    ['node-name', node?.name],
    ['node-uid', node?.uid],
    ['pod-name', pod?.name],
    ['pod-uid', pod?.uid],
  ]
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (value ? [[`authentication.kubernetes.io/${key}`, [value]]] : [])),
  )
}

const refOf = (object: KubeObject): Ref => ({
  ...(object.metadata.name === undefined ? {} : { name: object.metadata.name }),
  ...(object.metadata.uid === undefined ? {} : { uid: object.metadata.uid }),
})

const keyIdOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
