/** JSON Web Tokens (RFC 7519) as service accounts use them: RS256 and the ES family, keys found by their id. */
import { type KeyObject, sign, verify } from 'node:crypto'

const curves: { readonly [curve: string]: string } = { prime256v1: '256', secp384r1: '384', secp521r1: '512' }

/** The algorithm a key signs with. Throws for keys that upstream does not accept either. */
export function jwtAlgorithm(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256'
  const bits = curves[key.asymmetricKeyDetails?.namedCurve ?? '']
  if (bits === undefined) throw new Error('service-account keys must be RSA or EC (P-256, P-384 or P-521)')
  return `ES${bits}`
}

const hashOf = (key: KeyObject): string => `sha${jwtAlgorithm(key).slice(2)}`

/** A signed token. */
export function signJwt(key: KeyObject, kid: string, claims: object): string {
  const input = `${encodePart({ alg: jwtAlgorithm(key), kid })}.${encodePart(claims)}`
  const signature = sign(hashOf(key), Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

const encodePart = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

function decodePart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}

const remembered = 4096

/** A function from token to claims; undefined when the signature is not one of `keys`. Remembers tokens it has verified. */
export function createJwtVerifier<Claims extends object>(
  keys: ReadonlyMap<string, KeyObject>,
): (token: string) => Claims | undefined {
  const known = new Map<string, Claims>()
  return token => {
    const before = known.get(token)
    if (before) return before
    const [head, body, signature, ...more] = token.split('.')
    if (head === undefined || body === undefined || signature === undefined || more.length > 0) return undefined
    const header = decodePart(head) as { alg?: string; kid?: string } | undefined
    if (typeof header !== 'object' || header === null) return undefined
    const candidates = header.kid === undefined ? [...keys.values()] : [keys.get(header.kid)]
    const data = Buffer.from(`${head}.${body}`)
    const bytes = Buffer.from(signature, 'base64url')
    const matches = (key: KeyObject | undefined) =>
      key !== undefined &&
      header.alg === jwtAlgorithm(key) &&
      verify(hashOf(key), data, { key, dsaEncoding: 'ieee-p1363' }, bytes)
    if (!candidates.some(matches)) return undefined
    const claims = decodePart(body)
    if (typeof claims !== 'object' || claims === null) return undefined
    if (known.size >= remembered) known.delete(known.keys().next().value!)
    known.set(token, claims as Claims)
    return claims as Claims
  }
}
