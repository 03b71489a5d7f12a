/** Answers requests for tokens of service accounts (subresource token). */
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { TokenIssuer } from '../subresources/token.ts'
import type { BoundObject, ServiceAccountTokens } from './tokens.ts'

export function issuerOf(tokens: ServiceAccountTokens): TokenIssuer {
  return async (account, request) => {
    const spec = (request.spec ?? {}) as {
      audiences?: readonly string[]
      expirationSeconds?: number
      boundObjectRef?: BoundObject
    }
    const { name = '', namespace = '' } = account.metadata
    if (account.metadata.deletionTimestamp) {
      throw errors.conflict({ group: '', resource: 'serviceaccounts' }, name, 'the service account is being deleted')
    }
    const issued = tokens.issueToken({
      namespace,
      serviceAccount: name,
      audiences: spec.audiences,
      expirationSeconds: spec.expirationSeconds,
      boundObject: spec.boundObjectRef,
    })
    const answered: KubeObject = {
      ...request,
      spec: { expirationSeconds: 3600, ...spec, audiences: issued.audiences },
      status: { token: issued.token, expirationTimestamp: issued.expirationTimestamp },
    }
    return answered
  }
}
