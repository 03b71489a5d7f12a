/** Who may use a route of the supervisor (k3s-io/k3s pkg/server/auth). */
import type { Authenticator } from '../apiserver/auth/authenticate.ts'
import type { UserInfo } from '../apiserver/auth/user.ts'
import type { ApiRequest } from '../apiserver/http/message.ts'

/** Groups that K3s gives the users of cred/passwd, and those of nodes and of bootstrap tokens. */
export const agentGroups: readonly string[] = ['k3s:agent', 'system:nodes', 'system:bootstrappers']
export const serverGroups: readonly string[] = ['k3s:server']

export type Access =
  | { readonly allowed: true; readonly user: UserInfo }
  | { readonly allowed: false; readonly code: 401 | 403; readonly message: string }

/** 401 for credentials that are wrong, 403 for none and for somebody in none of the groups. */
export async function accessOf(
  request: ApiRequest,
  authenticator: Pick<Authenticator, 'authenticateSupervisor'>,
  groups: readonly string[],
): Promise<Access> {
  const user = await userOf(request, authenticator)
  if (!user && hasCredentials(request)) return { allowed: false, code: 401, message: 'not authorized' }
  return user?.groups.some(group => groups.includes(group))
    ? { allowed: true, user }
    : { allowed: false, code: 403, message: 'forbidden' }
}

/** A certificate that is good comes before a password: an agent may send both. */
async function userOf(
  { headers, peerCertificate }: ApiRequest,
  authenticator: Pick<Authenticator, 'authenticateSupervisor'>,
): Promise<UserInfo | undefined> {
  if (peerCertificate) {
    const { authorization: _, ...rest } = headers
    const byCertificate = await authenticator.authenticateSupervisor({ headers: rest, peerCertificate })
    if (byCertificate) return byCertificate
  }
  return await authenticator.authenticateSupervisor({ headers })
}

function hasCredentials({ headers, peerCertificate }: ApiRequest): boolean {
  return peerCertificate !== undefined || headers.authorization !== undefined
}
