/** What is asked of the authorizer for a request, and how its refusal reads. */
import type { StatusError } from '../../api/errors.ts'
import { errors, failure } from '../../api/errors.ts'
import type { Attributes } from '../auth/authorizer.ts'
import type { UserInfo } from '../auth/user.ts'
import type { RequestInfo } from './requestinfo.ts'

export function requestAttributes(user: UserInfo, info: RequestInfo): Attributes {
  return {
    user,
    verb: info.verb,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.authorizedName,
    path: info.isResource ? '' : info.path,
    isResource: info.isResource,
  }
}

/** The 403 upstream answers (apiserver pkg/endpoints/handlers/responsewriters/errors.go). */
export function forbidden(attributes: Attributes, reason: string): StatusError {
  const { user, verb, group, resource, subresource, namespace, name, path } = attributes
  const tail = reason === '' ? '' : `: ${reason}`
  const who = `User ${JSON.stringify(user.name)} cannot ${verb}`
  if (!attributes.isResource)
    return failure(403, 'Forbidden', `forbidden: ${who} path ${JSON.stringify(path)}${tail}`, {})
  const what = subresource === '' ? resource : `${resource}/${subresource}`
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const why = `${who} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}${tail}`
  return errors.forbidden({ group, resource }, name, why)
}
