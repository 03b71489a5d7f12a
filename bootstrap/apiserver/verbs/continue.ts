/** Continue tokens: where the next page of a list starts, and at which revision (apiserver pkg/storage/continue.go). */
import { errors } from '../../api/errors.ts'
import type { Key } from '../../datastore/datastore.ts'

export interface ContinueToken {
  /** The snapshot all pages share; undefined: start over at the newest revision from the same key on. */
  readonly revision: number | undefined
  /** The last key of the previous page. */
  readonly after: Key
}

/** `prefix` is what the keys of the listed range start with; a token holds only what follows it. */
export function encodeContinue(token: ContinueToken, prefix: string): string {
  const start = `${token.after.slice(prefix.length)}\u0000`
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision ?? -1, start })).toString('base64url')
}

/** Throws 400 for a token that this server cannot have made. */
export function decodeContinue(text: string, prefix: string): ContinueToken {
  const token = parse(text)
  if (token.v !== 'meta.k8s.io/v1')
    throw bad(`server does not recognize this encoded version ${JSON.stringify(token.v)}`)
  if (typeof token.rv !== 'number' || !Number.isSafeInteger(token.rv) || token.rv === 0) {
    throw bad('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  }
  if (typeof token.start !== 'string' || token.start === '') {
    throw bad('encoded start key empty (version meta.k8s.io/v1)')
  }
  const start = token.start.endsWith('\u0000') ? token.start.slice(0, -1) : token.start
  if (start.split('/').some(part => part === '..' || part === '.')) throw bad(token.start)
  return { revision: token.rv < 0 ? undefined : token.rv, after: prefix + start.replace(/^\//, '') }
}

function parse(text: string): { v?: unknown; rv?: unknown; start?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // not ours
  }
  throw bad('invalid token')
}

const bad = (why: string) => errors.badRequest(`continue key is not valid: ${why}`)
