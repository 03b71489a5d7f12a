/** RoleBinding and ClusterRoleBinding. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { ClusterRoleBinding, RbacV1Subject, RoleBinding } from '../../../api/types.gen.ts'
import type { Errors, TypedColumn } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy, wide } from '../common/build.ts'
import { fill, same } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { dnsSubdomain, pathSegment } from '../common/names.ts'

type Binding = RoleBinding | ClusterRoleBinding
const rbacGroup = 'rbac.authorization.k8s.io'

function defaults(binding: Draft<Binding>): void {
  if (binding.roleRef) fill(binding.roleRef, { apiGroup: rbacGroup })
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') fill(subject, { apiGroup: rbacGroup })
  }
}

function* bindingErrors(binding: Binding, roleKinds: readonly string[], namespaced: boolean): Errors {
  const { apiGroup = '', kind = '', name = '' } = binding.roleRef ?? {}
  if (apiGroup !== rbacGroup) yield field.notSupported('roleRef.apiGroup', apiGroup, [rbacGroup])
  if (!roleKinds.includes(kind)) yield field.notSupported('roleRef.kind', kind, roleKinds)
  if (name === '') yield field.required('roleRef.name')
  else yield* textErrors(pathSegment, name, 'roleRef.name')
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    yield* subjectErrors(subject, namespaced, `subjects[${index}]`)
  }
}

function* subjectErrors(subject: RbacV1Subject, namespaced: boolean, path: string): Errors {
  const { kind, name, apiGroup = '' } = subject
  if (!name) yield field.required(`${path}.name`)
  switch (kind) {
    case 'ServiceAccount':
      if (name) yield* textErrors(dnsSubdomain, name, `${path}.name`)
      if (apiGroup !== '') yield field.notSupported(`${path}.apiGroup`, apiGroup, [''])
      if (!namespaced && !subject.namespace) yield field.required(`${path}.namespace`)
      break
    case 'User':
    case 'Group':
      if (apiGroup !== rbacGroup) yield field.notSupported(`${path}.apiGroup`, apiGroup, [rbacGroup])
      break
    default:
      yield field.notSupported(`${path}.kind`, kind ?? '', ['ServiceAccount', 'User', 'Group'])
  }
}

function* validateUpdate(binding: Binding, old: Binding): Errors {
  if (!same(binding.roleRef, old.roleRef)) yield field.invalid('roleRef', binding.roleRef, 'cannot change roleRef')
}

const subjectsText = (binding: Binding, kind: string) =>
  (binding.subjects ?? [])
    .filter(subject => subject.kind === kind)
    .map(({ namespace, name }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
    .join(', ')

const columns: readonly TypedColumn<Binding>[] = [
  nameColumn,
  column('Role', binding => `${binding.roleRef?.kind}/${binding.roleRef?.name}`),
  ageColumn,
  wide('Users', binding => subjectsText(binding, 'User')),
  wide('Groups', binding => subjectsText(binding, 'Group')),
  wide('ServiceAccounts', binding => subjectsText(binding, 'ServiceAccount')),
]

export const roleBinding = strategy<RoleBinding>({
  allowCreateOnUpdate: true,
  validateName: pathSegment,
  defaults,
  validate: object => bindingErrors(object, ['Role', 'ClusterRole'], true),
  validateUpdate,
  columns,
})

export const clusterRoleBinding = strategy<ClusterRoleBinding>({
  allowCreateOnUpdate: true,
  validateName: pathSegment,
  defaults,
  validate: object => bindingErrors(object, ['ClusterRole'], false),
  validateUpdate,
  columns,
})
