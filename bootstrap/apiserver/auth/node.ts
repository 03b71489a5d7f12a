/** The Node authorizer: a kubelet reads only what pods on its node use (upstream: plugin/pkg/auth/authorizer/node). */
import type { PolicyRule } from '../../api/types.gen.ts'
import type { ObjectReader } from '../admission/plugin.ts'
import { type Attributes, type Authorizer, type Decision, denied } from './authorizer.ts'
import type { NodePods } from './node-pods.ts'
import { createRelations } from './node-relations.ts'
import { ruleAllows } from './rules.ts'
import type { UserInfo } from './user.ts'

const prefix = 'system:node:'

/** The node a user is, if it is one. */
export function nodeNameOf(user: UserInfo): string | undefined {
  return user.groups.includes('system:nodes') && user.name.startsWith(prefix)
    ? user.name.slice(prefix.length)
    : undefined
}

export interface NodeAuthorizerDeps {
  readonly reader: ObjectReader
  readonly pods: NodePods
  /** What every node may do besides: the rules of the ClusterRole system:node. */
  readonly rules: readonly PolicyRule[]
}

type Check = (attributes: Attributes, node: string) => Decision

const allow: Decision = { allowed: true, reason: '' }
const because = (reason: string): Decision => ({ allowed: false, reason })

const sameName =
  (what: string, verbs: readonly string[]): Check =>
  ({ verb, subresource, namespace, name }, node) => {
    if (!verbs.includes(verb)) return because(`can only ${verbs.join(', ')} ${what}`)
    if (subresource !== '') return because(`cannot authorize ${what} subresources`)
    if (what === 'node lease' && namespace !== 'kube-node-lease') {
      return because('can only access leases in the "kube-node-lease" system namespace')
    }
    const named = verb === 'create' || name === node
    return named ? allow : because(`can only access ${what} with the same name as the requesting node`)
  }

const unrelated = (node: string): Decision => because(`no relationship found between node '${node}' and this object`)

export function createNodeAuthorizer({ reader, pods, rules }: NodeAuthorizerDeps): Authorizer {
  const uses = createRelations(reader, pods)
  const related =
    (verbs: readonly string[], ...subresources: string[]): Check =>
    (attributes, node) => {
      const { verb, subresource, resource, namespace } = attributes
      const name = attributes.name || (attributes.fields?.['metadata.name'] ?? '')
      if (!verbs.includes(verb)) return because(`can only ${verbs.join(', ')} resources of this type`)
      if (subresource !== '' && !subresources.includes(subresource)) return because('cannot access this subresource')
      if (name === '') return because('can only read resources of this type by name')
      return uses(node, resource, namespace, name) ? allow : unrelated(node)
    }

  const checks: Record<string, Check> = {
    secrets: related(['get', 'list', 'watch']),
    configmaps: related(['get', 'list', 'watch']),
    persistentvolumeclaims: ({ subresource, ...rest }, node) =>
      subresource === 'status'
        ? related(['get', 'update', 'patch'], 'status')({ ...rest, subresource }, node)
        : related(['get'])({ ...rest, subresource }, node),
    persistentvolumes: related(['get']),
    'volumeattachments.storage.k8s.io': related(['get']),
    'resourceclaims.resource.k8s.io': related(['get']),
    serviceaccounts: ({ verb, subresource, namespace, name }, node) => {
      if (verb !== 'create' || subresource !== 'token')
        return because('can only create tokens for individual service accounts')
      return pods.uses(node, 'serviceaccounts', namespace, name) ? allow : unrelated(node)
    },
    'leases.coordination.k8s.io': sameName('node lease', ['create', 'get', 'update', 'patch', 'delete']),
    'csinodes.storage.k8s.io': sameName('CSINode', ['create', 'get', 'update', 'patch', 'delete']),
    nodes: ({ verb, subresource, name, fields }, node) => nodeAccess(verb, subresource, name, fields, node),
    pods: (attributes, node) => podAccess(attributes, node),
  }

  function podAccess(attributes: Attributes, node: string): Decision {
    const { verb, subresource, namespace, name, fields } = attributes
    if (verb === 'list' || verb === 'watch') {
      const own = fields === undefined || fields['spec.nodeName'] === node
      return own ? allow : because(`can only list/watch pods with spec.nodeName field selector`)
    }
    if (verb === 'get' && subresource === '') return pods.runs(node, namespace, name) ? allow : unrelated(node)
    return byRule(attributes)
  }

  const byRule = (attributes: Attributes): Decision =>
    rules.some(rule => ruleAllows(rule, attributes)) ? allow : denied

  return {
    authorize(attributes) {
      const node = nodeNameOf(attributes.user)
      if (node === undefined) return denied
      if (node === '') return because('no node name found in the user name')
      const { isResource, group, resource } = attributes
      const check = isResource ? checks[group === '' ? resource : `${resource}.${group}`] : undefined
      return check ? check(attributes, node) : byRule(attributes)
    },
  }
}

function nodeAccess(
  verb: string,
  subresource: string,
  name: string,
  fields: Attributes['fields'],
  node: string,
): Decision {
  const ownName = name === node || fields?.['metadata.name'] === node
  switch (verb) {
    case 'create':
      return subresource === '' ? allow : because('cannot create node subresources')
    case 'update':
    case 'patch':
      return subresource === '' || subresource === 'status' ? allow : because('can only update node status')
    case 'get':
    case 'list':
    case 'watch':
      if (subresource !== '') return because('cannot read node subresources')
      return ownName ? allow : because(`node '${node}' cannot read all nodes, only its own Node object`)
    default:
      return because(`cannot ${verb} nodes`)
  }
}
