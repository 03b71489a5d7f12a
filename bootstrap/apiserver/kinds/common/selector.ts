/** Label selectors in objects: validation and what columns and Scale show of them. */
import { field } from '../../../api/errors.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../../api/labels.ts'
import { formatLabelSelector, formatLabels } from '../../../api/selectors.ts'
import type { LabelSelector } from '../../../api/types.gen.ts'
import type { Errors } from './build.ts'
import { labelErrors, textErrors } from './metadata.ts'

type Strings = { readonly [key: string]: string }

/** Checks a label selector; absent is fine. */
export function* selectorErrors(selector: LabelSelector | undefined | null, path: string): Errors {
  if (!selector) return
  yield* labelErrors(selector.matchLabels, `${path}.matchLabels`)
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries()) {
    yield* requirementErrors(requirement, `${path}.matchExpressions[${index}]`)
  }
}

interface Requirement {
  readonly key?: string | undefined
  readonly operator?: string | undefined
  readonly values?: readonly string[] | undefined
}

/** Checks one requirement. `compares` allows Gt and Lt, as nodes' selectors do. */
export function* requirementErrors(
  { key = '', operator = '', values = [] }: Requirement,
  path: string,
  { compares = false, checkValues = true } = {},
): Errors {
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      yield field.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      yield field.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    }
  } else if (compares && (operator === 'Gt' || operator === 'Lt')) {
    if (values.length !== 1) {
      yield field.required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'")
    }
  } else yield field.invalid(`${path}.operator`, operator, 'not a valid selector operator')
  yield* textErrors(qualifiedNameErrors, key, `${path}.key`)
  if (!checkValues) return
  for (const [index, value] of values.entries()) yield* textErrors(labelValueErrors, value, `${path}.values[${index}]`)
}

/** The selector of a Scale: like the Selector column, but empty when there is nothing to say. */
export function scaleSelector(selector: LabelSelector | undefined): string {
  const text = formatLabelSelector(selector)
  return text.startsWith('<') ? '' : text
}

/** "a=b,c=d" for a column; `<none>` for no labels. */
export function labelsText(labels: Strings | undefined | null): string {
  return formatLabels(labels ?? undefined) || '<none>'
}
