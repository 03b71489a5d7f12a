/** Role-based access control (upstream: plugin/pkg/auth/authorizer/rbac). */
import type { ClusterRole, PolicyRule } from '../../api/types.gen.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import { type Attributes, type Authorizer, type Decision, denied } from './authorizer.ts'
import type { BindingIndex, Grant } from './bindings.ts'
import { ruleAllows } from './rules.ts'
import type { UserInfo } from './user.ts'

export const rbacGroup = 'rbac.authorization.k8s.io'

export interface Rbac extends Authorizer {
  /** Every rule the user has in `namespace` (cluster-wide ones alone when it is empty), and what could not be resolved. */
  rulesOf(user: UserInfo, namespace: string): { rules: readonly PolicyRule[]; errors: readonly string[] }
  /** The rules of a role that a binding in `namespace` refers to; undefined when there is no such role. */
  rulesOfRole(role: { kind: string; name: string }, namespace: string): readonly PolicyRule[] | undefined
}

/** Evaluates the roles that `reader` shows through the bindings in `index`. Roles are read at each request. */
export function createRbac(reader: ObjectReader, index: BindingIndex): Rbac {
  function rulesOfRole(role: { kind: string; name: string }, namespace: string): readonly PolicyRule[] | undefined {
    const [resource, scope] = role.kind === 'Role' ? ['roles', namespace] : ['clusterroles', '']
    const object = reader.get(rbacGroup, resource!, scope!, role.name) as unknown as ClusterRole | undefined
    return object && (object.rules ?? [])
  }

  function authorize(attributes: Attributes): Decision {
    const namespace = attributes.isResource ? attributes.namespace : ''
    for (const grant of index.of(attributes.user, namespace)) {
      const rules = rulesOfRole(grant.role, grant.namespace)
      if (rules?.some(rule => ruleAllows(rule, attributes))) return { allowed: true, reason: reasonOf(grant) }
    }
    return denied
  }

  function rulesOf(user: UserInfo, namespace: string) {
    const rules: PolicyRule[] = []
    const problems: string[] = []
    for (const grant of index.of(user, namespace)) {
      const found = rulesOfRole(grant.role, grant.namespace)
      if (found) rules.push(...found)
      else problems.push(`${grant.role.kind.toLowerCase()}.${rbacGroup} ${JSON.stringify(grant.role.name)} not found`)
    }
    return { rules, errors: problems }
  }

  return { authorize, rulesOf, rulesOfRole }
}

function reasonOf({ namespace, binding, role, subject }: Grant): string {
  const [kind, name] = namespace === '' ? ['ClusterRoleBinding', binding] : ['RoleBinding', `${binding}/${namespace}`]
  return `RBAC: allowed by ${kind} ${JSON.stringify(name)} of ${role.kind} ${JSON.stringify(role.name)} to ${subject}`
}
