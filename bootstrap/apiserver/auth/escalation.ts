/** Nobody grants what they do not hold: the check on writes of roles and bindings (upstream: pkg/registry/rbac policybased). */
import { isDeepStrictEqual } from 'node:util'
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { ClusterRole, PolicyRule, RoleBinding } from '../../api/types.gen.ts'
import type { AdmissionRequest } from '../admission/plugin.ts'
import { type Authorizer, attributesOf } from './authorizer.ts'
import { type Rbac, rbacGroup } from './rbac.ts'
import { describeRules, uncovered } from './rules.ts'

export interface EscalationDeps {
  readonly rbac: Rbac
  readonly authorizer: Authorizer
}

const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
]

/** To be called for every write, after mutation. Throws a 403 StatusError when the user grants more than they hold. */
export function checkEscalation(request: AdmissionRequest, deps: EscalationDeps): void {
  const { kind, operation, object, user } = request
  if (kind.group !== rbacGroup || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return
  if (user.groups.includes('system:masters') || changesOnlyOwnership(request)) return
  if (kind.resource === 'roles' || kind.resource === 'clusterroles') checkRole(request, deps)
  else if (kind.resource === 'rolebindings' || kind.resource === 'clusterrolebindings') checkBinding(request, deps)
}

/** Owner references and finalizers may change freely, so that garbage collection works. */
function changesOnlyOwnership({ object, old }: AdmissionRequest): boolean {
  if (!object || !old) return false
  const rest = ({ metadata, ...body }: KubeObject) => {
    const { ownerReferences, finalizers, managedFields, ...others } = metadata
    return { ...body, metadata: others }
  }
  return isDeepStrictEqual(rest(object), rest(old))
}

function checkRole(request: AdmissionRequest, deps: EscalationDeps): void {
  const role = request.object as unknown as ClusterRole
  const old = request.old as unknown as ClusterRole | undefined
  const { resource } = request.kind
  const { namespace, name } = request
  const attributes = attributesOf(request.user, 'escalate', {
    group: rbacGroup,
    version: '*',
    resource,
    namespace,
    name,
  })
  if (deps.authorizer.authorize(attributes).allowed) return
  confirm(request, deps, role.rules ?? [])
  if (role.aggregationRule && !isDeepStrictEqual(old?.aggregationRule, role.aggregationRule)) {
    if (uncovered(deps.rbac.rulesOf(request.user, '').rules, everything).length > 0) {
      throw refusal(request, 'must have cluster-admin privileges to use the aggregationRule')
    }
  }
}

function checkBinding(request: AdmissionRequest, deps: EscalationDeps): void {
  const binding = request.object as unknown as RoleBinding
  const { roleRef } = binding
  const resource = roleRef.kind === 'Role' ? 'roles' : 'clusterroles'
  const attributes = attributesOf(request.user, 'bind', {
    group: rbacGroup,
    version: '*',
    resource,
    namespace: request.namespace,
    name: roleRef.name,
  })
  if (deps.authorizer.authorize(attributes).allowed) return
  const rules = deps.rbac.rulesOfRole(roleRef, request.namespace)
  if (!rules) throw errors.notFound({ group: rbacGroup, resource }, roleRef.name)
  confirm(request, deps, rules)
}

function confirm(request: AdmissionRequest, { rbac }: EscalationDeps, wanted: readonly PolicyRule[]): void {
  const { user } = request
  const held = rbac.rulesOf(user, request.namespace)
  const missing = uncovered(held.rules, wanted)
  if (missing.length === 0) return
  const groups = user.groups.map(group => JSON.stringify(group)).join(' ')
  const problems = held.errors.length > 0 ? `; resolution errors: [${held.errors.join(', ')}]` : ''
  throw refusal(
    request,
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${describeRules(missing).join('\n')}${problems}`,
  )
}

function refusal({ kind, name }: AdmissionRequest, why: string) {
  return errors.forbidden({ group: rbacGroup, resource: kind.resource }, name, why)
}
