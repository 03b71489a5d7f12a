/** What an authorizer is asked and answers. */
import { errors, failure, type StatusError } from '../../api/errors.ts'
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
  /** Of list, watch and deletecollection: exact field requirements, e.g. {"spec.nodeName": "n1"}. */
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

/** The 403 for a refused request, in upstream's words (kubernetes/apiserver pkg/endpoints/handlers/responsewriters). */
export function forbidden(attributes: Attributes, reason: string): StatusError {
  const why = `${denialText(attributes)}${reason === '' ? '' : `: ${reason}`}`
  if (!attributes.isResource) return failure(403, 'Forbidden', `forbidden: ${why}`, {})
  return errors.forbidden({ group: attributes.group, resource: attributes.resource }, attributes.name, why)
}

function denialText({ user, verb, isResource, path, group, resource, subresource, namespace }: Attributes): string {
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`
  if (!isResource) return `${who} path ${JSON.stringify(path)}`
  const what = JSON.stringify(subresource === '' ? resource : `${resource}/${subresource}`)
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  return `${who} resource ${what} in API group ${JSON.stringify(group)} ${where}`
}
