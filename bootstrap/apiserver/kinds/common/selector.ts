/** Label selectors in objects: validation and what columns and Scale show of them. */
import { field } from '../../../api/errors.ts'
import { labelValueErrors, qualifiedNameErrors } from '../../../api/labels.ts'
import { formatLabelSelector, formatLabels, labelSelectorOf } from '../../../api/selectors.ts'
import type { LabelSelector, LabelSelectorRequirement } from '../../../api/types.gen.ts'
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

function* requirementErrors(requirement: LabelSelectorRequirement, path: string): Errors {
  const { operator, values = [] } = requirement
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      yield field.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      yield field.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    }
  } else yield field.invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator')
  yield* textErrors(qualifiedNameErrors, requirement.key ?? '', `${path}.key`)
  for (const [index, value] of values.entries()) yield* textErrors(labelValueErrors, value, `${path}.values[${index}]`)
}

/** True for a selector that selects everything: `{}`. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions?.length ?? 0) === 0
}

/** Whether labels satisfy the selector; a malformed selector matches nothing. */
export function selectorMatches(selector: LabelSelector | undefined, labels: Strings | undefined): boolean {
  try {
    return labelSelectorOf(selector).matches(labels)
  } catch {
    return false
  }
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
