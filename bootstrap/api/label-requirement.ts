/** One requirement of a label selector: its checks, its meaning and its text. */
import { errors, field, fieldErrorText } from './errors.ts'
import { labelValueErrors, qualifiedNameErrors } from './labels.ts'

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

export interface LabelRequirement {
  readonly key: string
  readonly operator: LabelOperator
  /** Sorted, without duplicates. */
  readonly values: readonly string[]
}

export type Labels = { readonly [key: string]: string } | undefined

const operators: { readonly [name: string]: LabelOperator } = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
  Gt: 'gt',
  Lt: 'lt',
}

/** The operator objects call "In", "NotIn", "Exists", "DoesNotExist" and, in selectors of nodes, "Gt" and "Lt". */
export function operatorOf(name: string): LabelOperator | undefined {
  return Object.hasOwn(operators, name) ? operators[name] : undefined
}

/** Checks and normalises one requirement. Throws a 400. */
export function requirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const problem = requirementProblem(key, operator, values)
  if (problem !== undefined) throw errors.badRequest(fieldErrorText(problem))
  return { key, operator, values: [...new Set(values)].sort() }
}

function requirementProblem(key: string, operator: LabelOperator, values: readonly string[]) {
  const badKey = qualifiedNameErrors(key)
  if (badKey.length > 0) return field.invalid('<nil>', key, badKey.join('; '))
  switch (operator) {
    case 'in':
    case 'notin':
      if (values.length === 0) {
        return field.invalid('values', values, "for 'in', 'notin' operators, values set can't be empty")
      }
      break
    case '=':
    case '==':
    case '!=':
      if (values.length !== 1)
        return field.invalid('values', values, 'exact-match compatibility requires one single value')
      break
    case 'exists':
    case '!':
      if (values.length !== 0) {
        return field.invalid('values', values, 'values set must be empty for exists and does not exist')
      }
      break
    case 'gt':
    case 'lt':
      if (values.length !== 1) {
        return field.invalid('values', values, "for 'Gt', 'Lt' operators, exactly one value is required")
      }
      if (!isInteger(values[0]!)) {
        return field.invalid('values[0]', values[0], "for 'Gt', 'Lt' operators, the value must be an integer")
      }
  }
  for (const [index, value] of values.entries()) {
    const bad = labelValueErrors(value)
    if (bad.length > 0) return field.invalid(`values[${index}][${key}]`, value, bad.join('; '))
  }
  return undefined
}

const isInteger = (text: string) => /^[+-]?\d+$/.test(text)

/** Whether labels satisfy one requirement. */
export function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case '=':
    case '==':
    case 'in':
      return value !== undefined && values.includes(value)
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'exists':
      return value !== undefined
    case '!':
      return value === undefined
    case 'gt':
      return difference(value, values[0]) > 0
    case 'lt':
      return difference(value, values[0]) < 0
  }
}

/** The sign of a - b; 0 when one of them is no integer. */
function difference(a = '', b = ''): number {
  return isInteger(a) && isInteger(b) ? Number(BigInt(a) - BigInt(b)) : 0
}

const symbols: Partial<Record<LabelOperator, string>> = { gt: '>', lt: '<' }

/** Canonical text of one requirement. */
export function requirementText({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key
    case '!':
      return `!${key}`
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`
    default:
      return `${key}${symbols[operator] ?? operator}${values[0]}`
  }
}
