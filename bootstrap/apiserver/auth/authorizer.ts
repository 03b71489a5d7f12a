/** What an authorizer is asked and answers. */
import type { UserInfo } from './user.ts'

/** One question: may `user` do `verb`? Resource questions leave `path` empty, others the resource fields. */
export interface Attributes {
  readonly user: UserInfo
  /** Lower case: get, list, watch, create, update, patch, delete, deletecollection, or a special one. */
  readonly verb: string
  readonly isResource: boolean
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
  readonly path: string
  /** Of list, watch and deletecollection: exact field requirements, e.g. {"spec.nodeName": "n1"}; absent: not known. */
  readonly fields?: { readonly [field: string]: string }
}

export interface Decision {
  readonly allowed: boolean
  /** Why; may be empty. */
  readonly reason: string
}

export interface Authorizer {
  authorize(attributes: Attributes): Decision
}

export const denied: Decision = { allowed: false, reason: '' }

/** Attributes from the parts that matter; the rest is empty. */
export function attributesOf(user: UserInfo, verb: string, parts: Partial<Attributes> = {}): Attributes {
  const empty = { group: '', version: '', resource: '', subresource: '', namespace: '', name: '', path: '' }
  return { ...empty, isResource: parts.path === undefined, ...parts, user, verb }
}

/** system:masters may do everything; otherwise the first authorizer that allows decides. */
export function createAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(attributes) {
      if (attributes.user.groups.includes('system:masters')) return { allowed: true, reason: '' }
      const reasons: string[] = []
      for (const authorizer of authorizers) {
        const decision = authorizer.authorize(attributes)
        if (decision.allowed) return decision
        if (decision.reason !== '') reasons.push(decision.reason)
      }
      return { allowed: false, reason: reasons.join('\n') }
    },
  }
}
