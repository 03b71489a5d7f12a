/** Puts the bootstrap roles and bindings into the cluster and keeps what users added (upstream: rbac post-start hook). */
import { isAlreadyExists, isConflict, isNotFound } from '../../api/errors.ts'
import { draftOf, type KubeObject } from '../../api/object.ts'
import type { ClusterRole, PolicyRule, RbacV1Subject, RoleBinding } from '../../api/types.gen.ts'
import { aggregatedRules } from './aggregation.ts'
import {
  clusterRoleBindings,
  k3sBindings,
  k3sRoles,
  namespacedBindings,
  namespacedRoles,
} from './bootstrap-bindings.ts'
import { aggregatedRoles, aggregateTo, clusterRoles, type RuleRow } from './bootstrap-cluster-roles.ts'
import { controllerRoles } from './bootstrap-controller-roles.ts'
import { rbacGroup } from './rbac.ts'
import { uncovered } from './rules.ts'

const apiVersion = `${rbacGroup}/v1`
const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate'
const attempts = 5
const aggregateLabel = (name: string) => `rbac.authorization.k8s.io/aggregate-to-${name}`

export type RbacResource = 'roles' | 'clusterroles' | 'rolebindings' | 'clusterrolebindings'

/** How the reconciler reads and writes; namespaces of namespaced objects must exist. */
export interface RbacWriter {
  get(resource: RbacResource, namespace: string, name: string): Promise<KubeObject | undefined> | KubeObject | undefined
  create(resource: RbacResource, object: KubeObject): Promise<unknown>
  update(resource: RbacResource, object: KubeObject): Promise<unknown>
  delete(resource: RbacResource, object: KubeObject): Promise<unknown>
}

/** The rules a table's rows stand for. */
export function rulesOfRows(rows: readonly RuleRow[]): PolicyRule[] {
  return rows.map(([verbs, groups, resources, names]) =>
    groups === 'url'
      ? { nonResourceURLs: resources.split(' '), verbs: verbs.split(' ') }
      : {
          apiGroups: groups.split(' ').map(group => (group === 'core' ? '' : group)),
          ...(names === undefined ? {} : { resourceNames: names.split(' ') }),
          resources: resources.split(' '),
          verbs: verbs.split(' '),
        },
  )
}

/** The rules of every node, for the Node authorizer. */
export const nodeRules = (): PolicyRule[] => rulesOfRows(clusterRoles['system:node']!)

interface Wanted {
  readonly resource: RbacResource
  readonly object: KubeObject
}

/** Every object the cluster starts with, aggregated roles already filled. */
export function bootstrapObjects(): Wanted[] {
  const roles = [
    ...Object.entries(clusterRoles).map(([name, rows]) => clusterRole(name, rows)),
    ...Object.entries(controllerRoles).map(([name, rows]) => clusterRole(`system:controller:${name}`, rows)),
    ...Object.keys(aggregatedRoles).map(aggregatedRole),
  ]
  const filled = ['view', 'edit', 'admin'].reduce<readonly KubeObject[]>((all, name) => {
    const role = all.find(one => one.metadata.name === name)!
    return all.map(one => (one === role ? { ...one, rules: aggregatedRules(role, all) } : one))
  }, roles)
  return [
    ...filled.map(object => ({ resource: 'clusterroles' as const, object })),
    ...Object.entries(k3sRoles).map(([name, rows]) => ({
      resource: 'clusterroles' as const,
      object: { apiVersion, kind: 'ClusterRole', metadata: { name }, rules: rulesOfRows(rows) },
    })),
    ...Object.entries(namespacedRoles).flatMap(([namespace, table]) =>
      Object.entries(table).map(([name, rows]) => ({
        resource: 'roles' as const,
        object: { apiVersion, kind: 'Role', metadata: metadataOf(name, namespace), rules: rulesOfRows(rows) },
      })),
    ),
    ...bindings(),
  ]
}

function bindings(): Wanted[] {
  const cluster = (metadata: KubeObject['metadata'], role: string, subjects: readonly string[]): Wanted => ({
    resource: 'clusterrolebindings',
    object: bindingOf('ClusterRole', metadata, role, subjects),
  })
  return [
    ...Object.entries(clusterRoleBindings).map(([name, subjects]) => cluster(metadataOf(name), name, subjects)),
    ...Object.keys(controllerRoles).map(name => {
      const role = `system:controller:${name}`
      return cluster(metadataOf(role), role, [`ServiceAccount kube-system/${name}`])
    }),
    ...Object.entries(k3sBindings).map(([name, [role, subject]]) => cluster({ name }, role, [subject])),
    ...namespacedBindings.map(({ namespace, name, role, subjects }) => ({
      resource: 'rolebindings' as const,
      object: bindingOf('Role', metadataOf(name, namespace), role, subjects),
    })),
  ]
}

const metadataOf = (name: string, namespace?: string, labels: { [key: string]: string } = {}) => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
  annotations: { [autoupdate]: 'true' },
})

function clusterRole(name: string, rows: readonly RuleRow[]): KubeObject {
  const target = aggregateTo[name]
  const labels = target === undefined ? {} : { [aggregateLabel(target)]: 'true' }
  return { apiVersion, kind: 'ClusterRole', metadata: metadataOf(name, undefined, labels), rules: rulesOfRows(rows) }
}

function aggregatedRole(name: string): KubeObject {
  const target = aggregatedRoles[name]
  const labels = target === undefined ? {} : { [aggregateLabel(target)]: 'true' }
  const selector = { matchLabels: { [aggregateLabel(name)]: 'true' } }
  const aggregationRule = { clusterRoleSelectors: [selector] }
  return { apiVersion, kind: 'ClusterRole', metadata: metadataOf(name, undefined, labels), aggregationRule, rules: [] }
}

function bindingOf(
  roleKind: 'Role' | 'ClusterRole',
  metadata: KubeObject['metadata'],
  role: string,
  subjects: readonly string[],
): KubeObject {
  return {
    apiVersion,
    kind: `${roleKind}Binding`,
    metadata,
    roleRef: { apiGroup: rbacGroup, kind: roleKind, name: role },
    ...(subjects.length > 0 ? { subjects: subjects.map(subjectOfText) } : {}),
  }
}

function subjectOfText(text: string): RbacV1Subject {
  const [kind = '', name = ''] = text.split(' ')
  if (kind !== 'ServiceAccount') return { apiGroup: rbacGroup, kind, name }
  const [namespace = '', account = ''] = name.split('/')
  return { kind, name: account, namespace }
}

/**
 * Creates what is missing and adds what existing objects lack: rules, subjects, labels, annotations. Nothing a user added
 * is taken away; an object whose autoupdate annotation is "false" is left alone; a binding to another role is replaced.
 */
export async function reconcileBootstrapRoles(writer: RbacWriter): Promise<void> {
  await Promise.all(bootstrapObjects().map(wanted => reconcileUndisturbed(writer, wanted)))
}

/** Servers that start together do the same work: what one has written the other looks at anew. */
async function reconcileUndisturbed(writer: RbacWriter, wanted: Wanted): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await reconcileOne(writer, wanted)
    } catch (error) {
      const disturbed = isAlreadyExists(error) || isConflict(error) || isNotFound(error)
      if (!disturbed || attempt === attempts) throw error
    }
  }
}

async function reconcileOne(writer: RbacWriter, { resource, object }: Wanted): Promise<void> {
  const { namespace = '', name = '' } = object.metadata
  const existing = await writer.get(resource, namespace, name)
  if (!existing) return void (await writer.create(resource, object))
  if (existing.metadata.annotations?.[autoupdate] === 'false') return
  if (!refersTo(existing, object)) {
    await writer.delete(resource, existing)
    return void (await writer.create(resource, object))
  }
  const completed = completedWith(existing, object)
  if (completed) await writer.update(resource, completed)
}

function refersTo(existing: KubeObject, wanted: KubeObject): boolean {
  const [a, b] = [existing, wanted].map(object => (object as unknown as RoleBinding).roleRef)
  return a?.kind === b?.kind && a?.name === b?.name
}

/** `existing` with everything of `wanted`, or undefined when it has it all. */
function completedWith(existing: KubeObject, wanted: KubeObject): KubeObject | undefined {
  const draft = draftOf(existing) as ReturnType<typeof draftOf<KubeObject>> & Record<string, unknown>
  let changed = false
  const add = (field: string, extra: readonly unknown[]) => {
    if (extra.length === 0) return
    draft[field] = [...((draft[field] as unknown[] | undefined) ?? []), ...extra]
    changed = true
  }
  for (const field of ['labels', 'annotations'] as const) {
    const missing = Object.entries(wanted.metadata[field] ?? {}).filter(
      ([key]) => !(key in (draft.metadata[field] ?? {})),
    )
    if (missing.length === 0) continue
    draft.metadata[field] = { ...draft.metadata[field], ...Object.fromEntries(missing) }
    changed = true
  }
  const [has, needs] = [existing, wanted] as unknown as readonly ClusterRole[]
  if (needs!.aggregationRule) {
    if (!has!.aggregationRule) {
      draft.aggregationRule = needs!.aggregationRule
      changed = true
    }
  } else {
    add(
      'rules',
      (needs!.rules ?? []).filter(rule => uncovered(has!.rules ?? [], [rule]).length > 0),
    )
  }
  const [bound, binding] = [existing, wanted] as unknown as readonly RoleBinding[]
  add(
    'subjects',
    (binding!.subjects ?? []).filter(subject => !(bound!.subjects ?? []).some(one => sameSubject(one, subject))),
  )
  return changed ? (draft as unknown as KubeObject) : undefined
}

const sameSubject = (a: RbacV1Subject, b: RbacV1Subject): boolean =>
  a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')
