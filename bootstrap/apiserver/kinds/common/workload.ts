/** What workloads share: a selector that fits the template, and templates of pods that run for ever. */
import { field } from '../../../api/errors.ts'
import { isEmptySelector, selects } from '../../../api/selectors.ts'
import type { LabelSelector, PodTemplateSpec } from '../../../api/types.gen.ts'
import type { Errors } from './build.ts'
import { podTemplateErrors } from './pod/spec.ts'
import { selectorErrors } from './selector.ts'

interface Selecting {
  readonly selector?: LabelSelector | undefined
  readonly template?: PodTemplateSpec | undefined
}

/** Checks `selector`: given, not empty (else the text `whenEmpty`), well-formed. */
export function* workloadSelectorErrors({ selector }: Selecting, path: string, whenEmpty: string): Errors {
  if (!selector) return yield field.required(`${path}.selector`)
  yield* selectorErrors(selector, `${path}.selector`)
  if (isEmptySelector(selector)) yield field.invalid(`${path}.selector`, selector, whenEmpty)
}

/** Checks that the selector selects the pods of the template. */
export function* templateLabelsErrors({ selector, template }: Selecting, path: string): Errors {
  if (isEmptySelector(selector) || selects(selector, template?.metadata?.labels)) return
  const text = '`selector` does not match template `labels`'
  yield field.invalid(`${path}.template.metadata.labels`, template?.metadata?.labels ?? null, text)
}

/** Checks the template of a workload whose pods always restart. `owner` names the kind in a message. */
export function* runningTemplateErrors(workload: Selecting, path: string, owner: string): Errors {
  yield* templateLabelsErrors(workload, path)
  yield* podTemplateErrors(workload.template, `${path}.template`)
  yield* alwaysRestartErrors(workload.template, `${path}.template`)
  if (typeof workload.template?.spec?.activeDeadlineSeconds === 'number') {
    const text = `activeDeadlineSeconds in ${owner} is not Supported`
    yield field.forbidden(`${path}.template.spec.activeDeadlineSeconds`, text)
  }
}

/** Only restartPolicy Always is supported. */
export function* alwaysRestartErrors(template: PodTemplateSpec | undefined, path: string): Errors {
  const policy = template?.spec?.restartPolicy
  if (policy && policy !== 'Always') yield field.notSupported(`${path}.spec.restartPolicy`, policy, ['Always'])
}
