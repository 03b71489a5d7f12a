/** Label selectors as clients evaluate them (apimachinery pkg/labels, pkg/apis/meta/v1 LabelSelectorAsSelector). */
import type { LabelSelector } from '../api/types.gen.ts'

export type Labels = { readonly [key: string]: string } | undefined

/** Whether `labels` satisfy the selector. No selector matches nothing, an empty one everything. */
export function selects(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false
  return (
    selectsMap(selector.matchLabels, labels) &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels?.[key]
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value)
        case 'NotIn':
          return value === undefined || !values.includes(value)
        case 'Exists':
          return value !== undefined
        case 'DoesNotExist':
          return value === undefined
        default:
          return false
      }
    })
  )
}

/** Whether every wanted label is there, as in a Service's selector. */
export function selectsMap(wanted: Labels, labels: Labels): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => labels?.[key] === value)
}

/** True when the selector has no requirement at all. */
export function isEmptySelector(selector: LabelSelector | undefined): boolean {
  return Object.keys(selector?.matchLabels ?? {}).length === 0 && (selector?.matchExpressions ?? []).length === 0
}

/** The query form of a selector: `a=b,c in (d,e),!f`. */
export function selectorText(selector: LabelSelector): string {
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`)
  const rest = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'In':
        return `${key} in (${[...values].sort().join(',')})`
      case 'NotIn':
        return `${key} notin (${[...values].sort().join(',')})`
      case 'Exists':
        return key
      default:
        return `!${key}`
    }
  })
  return [...equal.sort(), ...rest].join(',')
}

const requirement = /\s*(?:(!)?\s*([^\s!=,()]+)\s*(?:(==|!=|=)\s*([^\s,()]*)|(in|notin)\s*\(([^)]*)\))?)\s*(?:,|$)/y

/** Reads the query form. Throws SyntaxError when it is malformed. */
export function parseSelector(text: string): LabelSelector {
  const matchExpressions: { key: string; operator: string; values?: string[] }[] = []
  requirement.lastIndex = 0
  while (requirement.lastIndex < text.length) {
    const at = requirement.lastIndex
    const match = requirement.exec(text)
    if (!match) throw new SyntaxError(`unable to parse requirement: ${text.slice(at)}`)
    const [, not, key = '', sign, value = '', set, values = ''] = match
    if (set) {
      const operator = set === 'in' ? 'In' : 'NotIn'
      matchExpressions.push({ key, operator, values: values.split(',').map(item => item.trim()) })
    } else if (sign) {
      matchExpressions.push({ key, operator: sign === '!=' ? 'NotIn' : 'In', values: [value] })
    } else {
      matchExpressions.push({ key, operator: not ? 'DoesNotExist' : 'Exists' })
    }
  }
  return { matchExpressions }
}
