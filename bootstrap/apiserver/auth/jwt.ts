/** JSON Web Tokens (RFC 7519) as service accounts use them: ES256 and RS256, keys found by their id. */
import { type KeyObject, verify } from 'node:crypto'

/** The algorithm a key signs with. */
export const jwtAlgorithm = (key: KeyObject): 'ES256' | 'RS256' => (key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256')

export const encodePart = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

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
      verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, bytes)
    if (!candidates.some(matches)) return undefined
    const claims = decodePart(body)
    if (typeof claims !== 'object' || claims === null) return undefined
    if (known.size >= remembered) known.delete(known.keys().next().value!)
    known.set(token, claims as Claims)
    return claims as Claims
  }
}
