/** Node: kubelets register themselves with a status, so create keeps it. */
import { field } from '../../../api/errors.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../../api/labels.ts'
import type { Draft } from '../../../api/object.ts'
import { draftOf } from '../../../api/object.ts'
import type { Node } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, restoreField, strategy, wide } from '../common/build.ts'
import { same } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { cidr, ipFamily } from '../common/names.ts'
import { taintEffectErrors } from '../common/pod/placement.ts'
import { roundResources } from '../common/quantity.ts'

function defaults(node: Draft<Node>): void {
  const status = node.status
  if (!status) return
  roundResources(status.capacity)
  roundResources(status.allocatable)
  if (status.capacity && !status.allocatable) status.allocatable = { ...status.capacity }
}

function prepareForCreate(node: Draft<Node>): void {
  node.spec ??= {}
  node.status ??= {}
  mirrorCIDRs(node)
}

/** podCIDR is the first of podCIDRs, whichever the client gave. */
function mirrorCIDRs(node: Draft<Node>): void {
  const { spec } = node
  if (spec?.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR]
  else if (spec?.podCIDRs?.[0] && !spec.podCIDR) spec.podCIDR = spec.podCIDRs[0]
}

function* validate(node: Node): Errors {
  yield* taintsErrors(node)
  const cidrs = node.spec?.podCIDRs ?? []
  for (const [index, range] of cidrs.entries()) yield* textErrors(cidr, range, `spec.podCIDRs[${index}]`)
  const families = cidrs.map(range => ipFamily(range.split('/')[0]!))
  if (cidrs.length > 1 && new Set(families).size < cidrs.length) {
    yield field.invalid('spec.podCIDRs', cidrs, 'may specify no more than one CIDR for each IP family')
  }
}

function* taintsErrors(node: Node): Errors {
  const seen = new Set<string>()
  for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
    const at = `spec.taints[${index}]`
    yield* textErrors(qualifiedNameErrors, taint.key ?? '', `${at}.key`)
    const problems = labelValueErrors(taint.value ?? '')
    if (problems.length > 0) yield field.invalid(`${at}.value`, taint.value, problems.join(';'))
    yield* taintEffectErrors(taint.effect, `${at}.effect`)
    const key = `${taint.effect}/${taint.key}`
    if (seen.has(key)) yield { ...field.duplicate(at, taint), detail: 'taints must be unique by key and effect pair' }
    seen.add(key)
  }
}

const frozenText =
  'node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)'

function* validateUpdate(node: Node, old: Node): Errors {
  const rest = draftOf(node.spec ?? {})
  const before = old.spec ?? {}
  if (before.podCIDRs?.length && !same(rest.podCIDRs, before.podCIDRs)) {
    yield field.forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid')
  }
  if (before.providerID && rest.providerID !== before.providerID) {
    yield field.forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid')
  }
  for (const name of ['podCIDR', 'podCIDRs', 'providerID', 'taints', 'unschedulable', 'configSource'] as const) {
    restoreField(rest, before, name)
  }
  if (!same(rest, before)) yield field.forbidden('', frozenText)
}

function statusText(node: Node): string {
  const ready = node.status?.conditions?.find(condition => condition.type === 'Ready')
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown']
  if (node.spec?.unschedulable) words.push('SchedulingDisabled')
  return words.join(',')
}

function rolesText(node: Node): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(node.metadata?.labels ?? {})) {
    if (key.startsWith(prefix) && key.length > prefix.length) roles.add(key.slice(prefix.length))
    else if (key === 'kubernetes.io/role' && value !== '') roles.add(value)
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',')
}

const address = (node: Node, type: string) =>
  node.status?.addresses?.find(found => found.type === type)?.address || '<none>'

export const node = strategy<Node>({
  defaults,
  prepareForCreate,
  prepareForUpdate(draft, old) {
    restoreField(draft, old, 'status')
    mirrorCIDRs(draft)
  },
  validate,
  validateUpdate,
  fieldNames: ['spec.unschedulable'],
  fields: object => ({ 'spec.unschedulable': String(object.spec?.unschedulable ?? false) }),
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Roles', rolesText),
    ageColumn,
    column('Version', object => object.status?.nodeInfo?.kubeletVersion),
    wide('Internal-IP', object => address(object, 'InternalIP')),
    wide('External-IP', object => address(object, 'ExternalIP')),
    wide('OS-Image', object => object.status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', object => object.status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', object => object.status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
})
