/** How the API server itself reads and writes RBAC's objects, as a client of its own. */
import { ignoreNotFound } from '../../api/errors.ts'
import type { Client, Resource } from '../../client/client.ts'
import type { RbacResource, RbacWriter } from './bootstrap-roles.ts'
import { rbacGroup } from './rbac.ts'

const rbacResource = (resource: RbacResource, kind: string, namespaced: boolean): Resource => ({
  group: rbacGroup,
  version: 'v1',
  resource,
  kind,
  namespaced,
})

export const rbacResources: { readonly [resource in RbacResource]: Resource } = {
  roles: rbacResource('roles', 'Role', true),
  clusterroles: rbacResource('clusterroles', 'ClusterRole', false),
  rolebindings: rbacResource('rolebindings', 'RoleBinding', true),
  clusterrolebindings: rbacResource('clusterrolebindings', 'ClusterRoleBinding', false),
}

export function rbacWriter(client: Client): RbacWriter {
  return {
    get: (resource, namespace, name) => client.get(rbacResources[resource], { name, namespace }).catch(ignoreNotFound),
    create: (resource, object) => client.create(rbacResources[resource], object),
    update: (resource, object) => client.update(rbacResources[resource], object),
    delete: (resource, { metadata }) =>
      client.delete(rbacResources[resource], { name: metadata.name ?? '', namespace: metadata.namespace }),
  }
}
