/** serviceaccounts/token: a signed token for a service account. */
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { UserInfo } from '../auth/user.ts'
import { getObject } from '../verbs/read.ts'
import type { ObjectSubresource } from './object.ts'
import { admit } from './object.ts'

/** Signs tokens; gets the service account and the TokenRequest, resolves with the request, its status filled in. */
export type TokenIssuer = (account: KubeObject, request: KubeObject, user: UserInfo) => Promise<object>

export const token: ObjectSubresource = {
  async create(context, body, options) {
    const { deps, verbs, call } = context
    if (!deps.tokenIssuer) throw errors.internal('this server issues no tokens')
    const account = (await getObject(verbs, call)).object
    if (body.metadata.name && body.metadata.name !== call.name) {
      throw errors.badRequest(
        `the name of the object (${body.metadata.name}) does not match the name on the URL (${call.name})`,
      )
    }
    body.metadata.name = call.name
    body.metadata.namespace = call.namespace
    await admit(context, body, options)
    return { status: 201, object: await deps.tokenIssuer(account, body, call.user) }
  },
}
