/** serviceaccounts/token: a signed token for a service account. */
import type { KubeObject } from '../../api/object.ts'
import type { UserInfo } from '../auth/user.ts'

/** Signs tokens; gets the service account and the TokenRequest, answers with the request's status filled in. */
export type TokenIssuer = (account: KubeObject, request: KubeObject, user: UserInfo) => Promise<object>
