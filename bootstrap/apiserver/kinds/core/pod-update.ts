/** What an update of a pod may change (pkg/apis/core/validation ValidatePodUpdate, ValidatePodStatusUpdate). */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { draftOf } from '../../../api/object.ts'
import type { Container, Pod, PodSpec, PodStatus } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { same } from '../common/defaulting.ts'

const maxInt32 = 2 ** 31 - 1
const updatable = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

const specOf = (pod: Pod): PodSpec => pod.spec ?? { containers: [] }

/** Checks an ordinary update. */
export function* podUpdateErrors(pod: Pod, old: Pod): Errors {
  const spec = specOf(pod)
  const before = specOf(old)
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list]?.length ?? 0) !== (before[list]?.length ?? 0)) {
      return yield field.forbidden(`spec.${list}`, 'pod updates may not add or remove containers')
    }
  }
  yield* deadlineErrors(spec, before)
  yield* tolerationsUpdateErrors(spec, before)
  yield* gatesUpdateErrors(spec, before)
  yield* frozenErrors(spec, before)
}

function* deadlineErrors(spec: PodSpec, before: PodSpec): Errors {
  const path = 'spec.activeDeadlineSeconds'
  const now = spec.activeDeadlineSeconds
  const then = before.activeDeadlineSeconds
  if (typeof now !== 'number') {
    if (typeof then === 'number') {
      yield field.invalid(path, null, 'must not update from a positive integer to nil value')
    }
  } else if (now < 0 || now > maxInt32) {
    yield field.invalid(path, now, `must be between 0 and ${maxInt32}, inclusive`)
  } else if (typeof then === 'number' && then < now) {
    yield field.invalid(path, now, 'must be less than or equal to previous value')
  }
}

function* tolerationsUpdateErrors(spec: PodSpec, before: PodSpec): Errors {
  for (const old of before.tolerations ?? []) {
    const kept = spec.tolerations?.some(found => same({ ...old, tolerationSeconds: found.tolerationSeconds }, found))
    if (kept) continue
    const text = 'existing toleration can not be modified except its tolerationSeconds'
    return yield field.forbidden('spec.tolerations', text)
  }
}

function* gatesUpdateErrors(spec: PodSpec, before: PodSpec): Errors {
  const known = new Set((before.schedulingGates ?? []).map(gate => gate.name))
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (known.has(name)) continue
    const text = `only deletion is allowed, but found new scheduling gate '${name}'`
    yield field.forbidden(`spec.schedulingGates[${index}].name`, text)
  }
}

/** Puts everything that may change back, then compares. */
function* frozenErrors(spec: PodSpec, before: PodSpec): Errors {
  if (same(spec, before)) return
  const rest = draftOf(spec)
  restoreImages(rest.containers, before.containers)
  restoreImages(rest.initContainers, before.initContainers)
  restore(rest, before, 'activeDeadlineSeconds')
  restore(rest, before, 'schedulingGates')
  restore(rest, before, 'tolerations')
  if ((before.terminationGracePeriodSeconds ?? 0) < 0 && rest.terminationGracePeriodSeconds === 1) {
    restore(rest, before, 'terminationGracePeriodSeconds')
  }
  if (before.schedulingGates?.length) yield* gatedErrors(rest, before)
  if (same(rest, before)) return
  const changes = changedFields(before, rest, 'spec').join('\n')
  yield field.forbidden('spec', `pod updates may not change fields other than ${updatable}\n${changes}`)
}

function restore<K extends keyof PodSpec>(spec: Draft<PodSpec>, before: PodSpec, name: K): void {
  if (before[name] === undefined) delete spec[name]
  else (spec as { [field: string]: unknown })[name] = before[name]
}

function restoreImages(containers: Draft<Container>[] | undefined, before: PodSpec['containers'] | undefined): void {
  for (const [index, container] of (containers ?? []).entries()) container.image = before?.[index]?.image
}

/** A gated pod may still be told more exactly where to run. */
function* gatedErrors(spec: Draft<PodSpec>, before: PodSpec): Errors {
  const kept = Object.entries(before.nodeSelector ?? {}).every(([key, value]) => spec.nodeSelector?.[key] === value)
  if (!kept) {
    yield field.invalid(
      'spec.nodeSelector',
      spec.nodeSelector ?? null,
      'only additions are allowed (no mutations or deletions)',
    )
  }
  restore(spec, before, 'nodeSelector')
  const affinity = spec.affinity?.nodeAffinity
  const oldAffinity = before.affinity?.nodeAffinity
  if (same(affinity, oldAffinity)) return
  if (spec.affinity) {
    const { nodeAffinity: _changed, ...others } = spec.affinity
    spec.affinity = oldAffinity ? { ...others, nodeAffinity: draftOf(oldAffinity) } : others
    if (!before.affinity && Object.keys(spec.affinity).length === 0) delete spec.affinity
  }
}

/** Lines like `- spec.hostname: "a"` and `+ spec.hostname: "b"` for what differs. */
function changedFields(before: unknown, after: unknown, path: string): string[] {
  if (same(before, after)) return []
  if (isObject(before) && isObject(after) && Array.isArray(before) === Array.isArray(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    return keys.flatMap(key =>
      changedFields(before[key], after[key], Array.isArray(before) ? `${path}[${key}]` : `${path}.${key}`),
    )
  }
  return [
    ...(before === undefined ? [] : [`- ${path}: ${JSON.stringify(before)}`]),
    ...(after === undefined ? [] : [`+ ${path}: ${JSON.stringify(after)}`]),
  ]
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null
}

/** Checks an update of /status: finished containers of a pod that does not restart them stay finished. */
export function* podStatusErrors(pod: Pod, old: Pod): Errors {
  const nominated = pod.status?.nominatedNodeName
  if (nominated && !/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(nominated)) {
    yield field.invalid('status.nominatedNodeName', nominated, 'must be a node name')
  }
  const policy = old.spec?.restartPolicy
  if (policy === 'Always') return
  const sidecars = new Set(
    (old.spec?.initContainers ?? []).filter(container => container.restartPolicy).map(container => container.name),
  )
  const ruled = new Set((old.spec?.containers ?? []).filter(container => container.restartPolicy).map(c => c.name))
  yield* transitionErrors('containerStatuses', pod.status, old.status, policy, ruled)
  yield* transitionErrors('initContainerStatuses', pod.status, old.status, policy, sidecars)
}

function* transitionErrors(
  list: 'containerStatuses' | 'initContainerStatuses',
  now: PodStatus | undefined,
  then: PodStatus | undefined,
  policy: string | undefined,
  exempt: ReadonlySet<string>,
): Errors {
  for (const [index, before] of (then?.[list] ?? []).entries()) {
    const ended = before.state?.terminated
    if (!ended || exempt.has(before.name) || (ended.exitCode !== 0 && policy === 'OnFailure')) continue
    const after = now?.[list]?.find(status => status.name === before.name)
    if (after && !after.state?.terminated) {
      yield field.forbidden(`status.${list}[${index}].state`, 'may not be transitioned to non-terminated state')
    }
  }
}
