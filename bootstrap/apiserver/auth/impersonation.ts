/** Impersonation headers: who is asked for, and what the real user must be allowed to (upstream: endpoints/filters/impersonation). */
import { errors } from '../../api/errors.ts'
import { decodeHeaderKey, first, type Headers, valuesOf } from './authenticate.ts'
import { type Attributes, attributesOf } from './authorizer.ts'
import type { UserInfo } from './user.ts'

export interface Impersonation {
  /** The user the request continues as. */
  readonly user: UserInfo
  /** Each must be allowed for the real user, else the request is refused with its 403. */
  readonly checks: readonly Attributes[]
}

const prefix = 'impersonate-'
const extraPrefix = 'impersonate-extra-'

/** The impersonation that headers ask for, or undefined. Throws 400 when groups, a UID or extras come without a user. */
export function impersonation(headers: Headers, real: UserInfo): Impersonation | undefined {
  if (!asksForAnother(headers)) return undefined
  const name = first(headers['impersonate-user']) ?? ''
  const uid = first(headers['impersonate-uid']) ?? ''
  const asked = valuesOf(headers['impersonate-group'])
  const extra: Record<string, string[]> = {}
  for (const [header, value] of Object.entries(headers)) {
    if (header.startsWith(extraPrefix)) extra[decodeHeaderKey(header.slice(extraPrefix.length))] = valuesOf(value)
  }
  if (name === '') {
    if (asked.length > 0 || uid !== '' || Object.keys(extra).length > 0) {
      throw errors.badRequest(`requested ${JSON.stringify({ groups: asked, uid, extra })} without impersonating a user`)
    }
    return undefined
  }
  const check = (parts: Partial<Attributes>) => attributesOf(real, 'impersonate', { version: 'v1', ...parts })
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name)
  const checks = [
    account
      ? check({ resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! })
      : check({ resource: 'users', name }),
    ...asked.map(group => check({ resource: 'groups', name: group })),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map(value =>
        check({ group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name: value }),
      ),
    ),
    ...(uid === '' ? [] : [check({ group: 'authentication.k8s.io', resource: 'uids', name: uid })]),
  ]
  return { user: { name, uid, groups: groupsOf(name, asked, account), extra }, checks }
}

/** Nearly every request is made as oneself: nothing else is looked at then. */
function asksForAnother(headers: Headers): boolean {
  for (const header in headers) if (header.startsWith(prefix)) return true
  return false
}

function groupsOf(name: string, asked: readonly string[], account: RegExpExecArray | null): string[] {
  const implied =
    account && asked.length === 0 ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : []
  const groups = [...asked, ...implied]
  const anonymous = name === 'system:anonymous'
  const marker = anonymous ? 'system:unauthenticated' : 'system:authenticated'
  const marked = groups.includes('system:authenticated') || groups.includes('system:unauthenticated')
  return marked ? groups : [...groups, marker]
}
