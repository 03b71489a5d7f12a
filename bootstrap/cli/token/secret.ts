/** Bootstrap tokens as the Secrets that hold them (kubernetes.io/docs: bootstrap tokens; k3s-io/k3s pkg/kubeadm). */
import { rfc3339 } from '../../api/time.ts'
import type { Secret } from '../../client/resources.ts'

export interface BootstrapToken {
  readonly id: string
  readonly secret: string
  readonly description: string
  /** Milliseconds since the epoch; undefined: never. */
  readonly expires: number | undefined
  readonly usages: readonly string[]
  readonly groups: readonly string[]
}

export const bootstrapTokenType = 'bootstrap.kubernetes.io/token'
export const namespace = 'kube-system'
const usagePrefix = 'usage-bootstrap-'

export const secretNameOf = (id: string): string => `bootstrap-token-${id}`

export function secretOf(token: BootstrapToken): Secret {
  const data = {
    'token-id': token.id,
    'token-secret': token.secret,
    ...(token.description === '' ? {} : { description: token.description }),
    ...(token.expires === undefined ? {} : { expiration: rfc3339(token.expires) }),
    ...Object.fromEntries(token.usages.map(usage => [`${usagePrefix}${usage}`, 'true'])),
    ...(token.groups.length === 0 ? {} : { 'auth-extra-groups': token.groups.join(',') }),
  }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: bootstrapTokenType,
    metadata: { name: secretNameOf(token.id), namespace },
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
  }
}

/** Throws an Error in one line for a Secret that is no bootstrap token. */
export function tokenIn(secret: Secret): BootstrapToken {
  const value = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString()
  const { name = '' } = secret.metadata
  const id = value('token-id')
  if (id === '') throw new Error(`bootstrap Token Secret has no token-id data: ${name}`)
  if (name !== secretNameOf(id))
    throw new Error(
      `bootstrap token name is not of the form 'bootstrap-token-(token-id)'. Actual: ${JSON.stringify(name)}. Expected: ${JSON.stringify(secretNameOf(id))}`,
    )
  if (value('token-secret') === '') throw new Error(`bootstrap Token Secret has no token-secret data: ${name}`)
  const expiration = value('expiration')
  const expires = expiration === '' ? undefined : Date.parse(expiration)
  if (Number.isNaN(expires)) throw new Error(`can't parse expiration time of bootstrap token "${name}"`)
  const usages = Object.keys(secret.data ?? {}).filter(key => key.startsWith(usagePrefix) && value(key) === 'true')
  return {
    id,
    secret: value('token-secret'),
    description: value('description'),
    expires,
    usages: usages.map(key => key.slice(usagePrefix.length)).sort(),
    groups: value('auth-extra-groups').split(',').filter(Boolean),
  }
}
