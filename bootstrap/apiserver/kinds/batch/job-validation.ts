/** Validation of Jobs and of the job template of a CronJob (pkg/apis/batch/validation). */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import { draftOf } from '../../../api/object.ts'
import type { Job, JobSpec, PodFailurePolicyRule, PodTemplateSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { restoreField } from '../common/build.ts'
import { immutable, oneOf, supportedOrEmpty } from '../common/checks.ts'
import { same } from '../common/defaulting.ts'
import { nonNegative } from '../common/metadata.ts'
import { podTemplateErrors } from '../common/pod/spec.ts'
import { selectorErrors } from '../common/selector.ts'
import { templateLabelsErrors } from '../common/workload.ts'

const maxIndexed = 100_000

/** Checks a Job. */
export function* jobErrors(job: Job): Errors {
  const { spec } = job
  if (!spec) return
  yield* jobSpecErrors(spec, 'spec')
  if (!spec.selector) yield field.required('spec.selector')
  else yield* selectorErrors(spec.selector, 'spec.selector')
  yield* templateLabelsErrors(spec, 'spec')
}

/** Checks what a Job and a job template have in common. */
export function* jobSpecErrors(spec: JobSpec, path: string): Errors {
  const counts = [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const
  for (const name of counts) yield* nonNegative(spec[name], `${path}.${name}`)
  yield* indexErrors(spec, path)
  yield* failurePolicyErrors(spec, `${path}.podFailurePolicy`)
  yield* successPolicyErrors(spec, `${path}.successPolicy`)
  yield* replacementErrors(spec, path)
  yield* podTemplateErrors(spec.template, `${path}.template`)
  yield* restartErrors(spec, `${path}.template.spec.restartPolicy`)
}

function* restartErrors(spec: JobSpec, path: string): Errors {
  const policy = spec.template?.spec?.restartPolicy
  if (!policy || policy === 'Always') yield field.required(path, 'valid values: "OnFailure", "Never"')
  else yield* supportedOrEmpty(policy, path, ['OnFailure', 'Never'])
  if (spec.podFailurePolicy && policy !== 'Never') {
    yield field.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')
  }
}

function* indexErrors(spec: JobSpec, path: string): Errors {
  const { completionMode, completions, parallelism } = spec
  if (completionMode && !['NonIndexed', 'Indexed'].includes(completionMode)) {
    yield field.notSupported(`${path}.completionMode`, completionMode, ['NonIndexed', 'Indexed'])
  }
  if (completionMode === 'Indexed') {
    if (typeof completions !== 'number') {
      yield field.required(`${path}.completions`, 'when completion mode is Indexed')
    }
    if ((parallelism ?? 0) > maxIndexed) {
      const text = `must be less than or equal to ${maxIndexed} when completion mode is Indexed`
      yield field.invalid(`${path}.parallelism`, parallelism, text)
    }
    if (typeof spec.maxFailedIndexes === 'number' && spec.maxFailedIndexes > (completions ?? 0)) {
      const text = 'must be less than or equal to completions'
      yield field.invalid(`${path}.maxFailedIndexes`, spec.maxFailedIndexes, text)
    }
  } else if (typeof spec.backoffLimitPerIndex === 'number') {
    yield field.invalid(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode')
  }
  if (typeof spec.maxFailedIndexes === 'number' && typeof spec.backoffLimitPerIndex !== 'number') {
    yield field.required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified')
  }
}

const failureActions = ['Count', 'FailIndex', 'FailJob', 'Ignore']

function* failurePolicyErrors(spec: JobSpec, path: string): Errors {
  const rules = spec.podFailurePolicy?.rules ?? []
  if (rules.length > 20) yield field.tooMany(`${path}.rules`, rules.length, 20)
  const containers = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])]
  const names = new Set(containers.map(container => container.name))
  for (const [index, rule] of rules.entries()) yield* failureRuleErrors(rule, names, spec, `${path}.rules[${index}]`)
}

function* failureRuleErrors(
  rule: PodFailurePolicyRule,
  containers: ReadonlySet<string>,
  spec: JobSpec,
  path: string,
): Errors {
  yield* oneOf(rule.action, `${path}.action`, failureActions)
  if (rule.action === 'FailIndex' && typeof spec.backoffLimitPerIndex !== 'number') {
    const text = 'requires the backoffLimitPerIndex to be set'
    yield field.invalid(`${path}.action`, rule.action, text)
  }
  const { onExitCodes: codes, onPodConditions: conditions } = rule
  if (codes && conditions?.length) {
    const text = 'specifying both OnExitCodes and OnPodConditions is not supported'
    yield field.invalid(path, null, text)
  }
  if (!codes && !conditions?.length) {
    yield field.invalid(path, null, 'specifying one of OnExitCodes and OnPodConditions is required')
  }
  for (const [index, condition] of (conditions ?? []).entries()) {
    const at = `${path}.onPodConditions[${index}].status`
    yield* oneOf(condition.status, at, ['False', 'True', 'Unknown'])
  }
  if (!codes) return
  const at = `${path}.onExitCodes`
  yield* oneOf(codes.operator, `${at}.operator`, ['In', 'NotIn'])
  if (codes.containerName && !containers.has(codes.containerName)) {
    yield field.invalid(
      `${at}.containerName`,
      codes.containerName,
      'must be one of the container or initContainer names in the pod template',
    )
  }
  yield* exitCodesErrors(codes.values ?? [], codes.operator, `${at}.values`)
}

function* exitCodesErrors(values: readonly number[], operator: string, path: string): Errors {
  if (values.length === 0) yield field.invalid(path, values, 'at least one value is required')
  else if (values.length > 255) yield field.tooMany(path, values.length, 255)
  const seen = new Set<number>()
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0) {
      yield field.invalid(`${path}[${index}]`, value, 'must not be 0 for the In operator')
    }
    if (seen.has(value)) yield field.duplicate(`${path}[${index}]`, value)
    seen.add(value)
  }
  if (values.some((value, index) => index > 0 && value < values[index - 1]!)) {
    yield field.invalid(path, values, 'must be ordered')
  }
}

function* successPolicyErrors(spec: JobSpec, path: string): Errors {
  const policy = spec.successPolicy
  if (!policy) return
  if (spec.completionMode !== 'Indexed') {
    yield field.invalid(path, policy, 'requires indexed completion mode')
  }
  const rules = policy.rules ?? []
  if (rules.length === 0) {
    yield field.required(`${path}.rules`, 'at least one rules must be specified when the successPolicy is specified')
  }
  if (rules.length > 20) yield field.tooMany(`${path}.rules`, rules.length, 20)
  for (const [index, rule] of rules.entries()) {
    const at = `${path}.rules[${index}]`
    const count = rule.succeededCount
    if (count === undefined && rule.succeededIndexes === undefined) {
      yield field.required(at, 'at least one of succeededCount or succeededIndexes must be specified')
    }
    yield* nonNegative(count, `${at}.succeededCount`)
    if (typeof count === 'number' && count > (spec.completions ?? 0)) {
      const text = `must be less than or equal to ${spec.completions ?? 0} (the number of specified completions)`
      yield field.invalid(`${at}.succeededCount`, count, text)
    }
  }
}

function* replacementErrors(spec: JobSpec, path: string): Errors {
  const policy = spec.podReplacementPolicy
  const at = `${path}.podReplacementPolicy`
  if (policy && spec.podFailurePolicy && policy !== 'Failed') yield field.notSupported(at, policy, ['Failed'])
  else yield* supportedOrEmpty(policy, at, ['Failed', 'TerminatingOrFailed'])
  const manager = spec.managedBy
  if (manager === undefined) return
  if (!/^[^/]+\.[^/]*\/.+$|^[^/]+\/.+$/.test(manager)) {
    yield field.invalid(`${path}.managedBy`, manager, 'must be a domain-prefixed path (such as "acme.io/foo")')
  }
  if (manager.length > 63) yield field.tooLong(`${path}.managedBy`, 63)
}

const schedulingFields = ['nodeSelector', 'tolerations', 'schedulingGates'] as const

/** Checks what an update of a Job may not change. */
export function* jobUpdateErrors(job: Job, old: Job): Errors {
  const { spec } = job
  const before = old.spec
  if (!spec || !before) return
  yield* completionsErrors(spec, before)
  yield* immutable(spec.selector, before.selector, 'spec.selector')
  const suspendedBefore = before.suspend === true && !old.status?.startTime
  const template = suspendedBefore ? withOldScheduling(spec.template, before.template) : spec.template
  yield* immutable(template, before.template, 'spec.template')
  const frozen = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const
  for (const name of frozen) yield* immutable(spec[name], before[name], `spec.${name}`)
}

function* completionsErrors(spec: JobSpec, before: JobSpec): Errors {
  if (same(spec.completions, before.completions)) return
  const elastic = before.completionMode === 'Indexed' && typeof before.completions === 'number'
  if (!elastic || typeof spec.completions !== 'number') yield field.immutable('spec.completions', spec.completions)
  else if (spec.completions !== spec.parallelism) {
    yield field.invalid('spec.completions', spec.completions, 'can only be modified in tandem with spec.parallelism')
  }
}

/** A job that has not started may still be told where its pods run. */
function withOldScheduling(template: PodTemplateSpec, before: PodTemplateSpec): Draft<PodTemplateSpec> {
  const result = draftOf(template)
  if (!result.spec || !before.spec) return result
  for (const name of schedulingFields) restoreField(result.spec, before.spec, name)
  if (result.spec.affinity || before.spec.affinity) {
    result.spec.affinity ??= {}
    restoreField(result.spec.affinity, before.spec.affinity ?? {}, 'nodeAffinity')
    if (!before.spec.affinity && Object.keys(result.spec.affinity).length === 0) delete result.spec.affinity
  }
  result.metadata ??= {}
  restoreField(result.metadata, before.metadata ?? {}, 'annotations')
  restoreField(result.metadata, before.metadata ?? {}, 'labels')
  return result
}
