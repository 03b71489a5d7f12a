/** Label and field selectors: grammar, matching and canonical text of apimachinery's pkg/labels and pkg/fields. */
import { errors } from './errors.ts'
import type { LabelRequirement, Labels } from './label-requirement.ts'
import { meets, operatorOf, requirement, requirementText } from './label-requirement.ts'
import { parseRequirements } from './selector-grammar.ts'

export type { LabelOperator, LabelRequirement } from './label-requirement.ts'

export interface LabelSelector {
  /** Sorted by key; empty matches everything. */
  readonly requirements: readonly LabelRequirement[]
  /** Canonical text. */
  readonly text: string
  matches(labels: Labels): boolean
}

/** The shape of meta/v1 LabelSelector. */
export interface LabelSelectorObject {
  readonly matchLabels?: { readonly [key: string]: string } | undefined
  readonly matchExpressions?:
    | readonly { readonly key: string; readonly operator: string; readonly values?: readonly string[] | undefined }[]
    | undefined
}

/** Parses "a=b,c in (d,e),!f". Throws a 400 with upstream's text. */
export function parseLabelSelector(text: string): LabelSelector {
  return labelSelectorFrom(parseRequirements(text))
}

/** A selector over requirements that are valid already. */
export function labelSelectorFrom(requirements: readonly LabelRequirement[]): LabelSelector {
  const sorted = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return {
    requirements: sorted,
    text: sorted.map(requirementText).join(','),
    matches: labels => sorted.every(requirement => meets(requirement, labels)),
  }
}

const nothing: LabelSelector = { requirements: [], text: '', matches: () => false }

/** A meta/v1 LabelSelector as a selector: absent selects nothing, empty everything. Throws a 400 when it is malformed. */
export function labelSelectorOf(selector: LabelSelectorObject | null | undefined): LabelSelector {
  if (selector === undefined || selector === null) return nothing
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => requirement(key, '=', [value]))
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = operatorOf(operator)
    if (known === undefined || known === 'gt' || known === 'lt')
      throw errors.badRequest(`"${operator}" is not a valid label selector operator`)
    requirements.push(requirement(key, known, values ?? []))
  }
  return labelSelectorFrom(requirements)
}

const compiled = new WeakMap<LabelSelectorObject, LabelSelector>()

/** Whether labels satisfy the selector of a stored object: an absent or malformed one selects nothing, an empty one everything. */
export function selects(selector: LabelSelectorObject | null | undefined, labels: Labels): boolean {
  if (!selector) return false
  let known = compiled.get(selector)
  if (!known) compiled.set(selector, (known = compile(selector)))
  return known.matches(labels)
}

function compile(selector: LabelSelectorObject): LabelSelector {
  try {
    return labelSelectorOf(selector)
  } catch {
    return nothing
  }
}

/** Whether every wanted label is there, as in a Service's selector. */
export function selectsMap(wanted: Labels, labels: Labels): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value)
}

/** Whether a selector has no requirement at all. */
export function isEmptySelector(selector: LabelSelectorObject | null | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
}

/** The text kubectl's columns show: "<none>" when empty, "<error>" when malformed. */
export function formatLabelSelector(selector: LabelSelectorObject | null | undefined): string {
  try {
    return labelSelectorOf(selector).text || '<none>'
  } catch {
    return '<error>'
  }
}

/** A selector that matches exactly these labels, as text: "a=b,c=d". */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',')
}

export interface FieldRequirement {
  readonly field: string
  readonly op: '=' | '!='
  readonly value: string
}

export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[]
  readonly text: string
  matches(fields: { readonly [field: string]: string }): boolean
}

/** Parses "metadata.name=a,status.phase!=Running" with \\, \, and \= escapes. Throws a 400 with upstream's text. */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements = text
    .split(/(?<=(?<!\\)(?:\\\\)*),/)
    .toSorted()
    .filter(term => term !== '')
    .map(term => fieldRequirement(term, text))
  return {
    requirements,
    text: requirements.map(({ field, op, value }) => `${field}${op}${escapeFieldValue(value)}`).join(','),
    matches: fields => requirements.every(({ field, op, value }) => ((fields[field] ?? '') === value) === (op === '=')),
  }
}

/** Escapes a value for use in a field selector. */
export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, character => `\\${character}`)
}

function fieldRequirement(term: string, selector: string): FieldRequirement {
  const parts = /^((?:\\.|[^\\=!]|!(?!=))*?)(!=|==|=)(.*)$/s.exec(term)
  if (parts === null) throw errors.badRequest(`invalid selector: '${selector}'; can't understand '${term}'`)
  const [, name, operator, value] = parts as unknown as [string, string, string, string]
  return { field: name, op: operator === '!=' ? '!=' : '=', value: unescapeFieldValue(value) }
}

function unescapeFieldValue(text: string): string {
  return text.replace(/\\(.?)|[,=]/gs, (match, escaped: string | undefined) => {
    if (escaped === undefined) {
      throw errors.badRequest(`invalid field selector: unescaped character in value: ${match}`)
    }
    if (escaped === '' || !'\\,='.includes(escaped)) {
      throw errors.badRequest(`invalid field selector: invalid escape sequence: ${match}`)
    }
    return escaped
  })
}
