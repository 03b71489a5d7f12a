/** Keywords about a value itself: type, const, enum, format, and the bounds of strings and numbers. */
import { isDeepStrictEqual } from 'node:util'
import { isTable } from '../tables.ts'
import { englishNumber, quoted } from './failure.ts'
import { formatProblem } from './formats.ts'
import { schemaPattern } from './patterns.ts'
import { fail, type Task } from './task.ts'

export function checkType(task: Task): void {
  const { type } = task.schema
  const wanted = (Array.isArray(type) ? type : [type]).filter(name => typeof name === 'string') as string[]
  if (wanted.length === 0) return
  const got = typeName(task.value)
  if (wanted.includes(got) || (wanted.includes('integer') && isInteger(task.value))) return
  fail(task, `got ${got}, want ${inOrder(wanted).join(' or ')}`)
}

/** The validator keeps types as a set of bits, and names them in their order. */
const typeOrder = ['null', 'boolean', 'number', 'integer', 'string', 'array', 'object']

function inOrder(types: readonly string[]): string[] {
  return typeOrder.filter(type => types.includes(type))
}

export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'bigint' ? 'number' : typeof value
}

function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isInteger(value)
}

export function checkConstant(task: Task): void {
  const { schema, draft, value } = task
  const { const: constant } = schema
  if (draft < 6 || constant === undefined || isEqual(value, constant)) return
  fail(task, isScalar(constant) ? `value must be ${display(constant)}` : "'const' failed")
}

export function checkEnum(task: Task): void {
  const { enum: choices } = task.schema
  if (!Array.isArray(choices) || choices.some(choice => isEqual(task.value, choice))) return
  const named = `value must be ${choices.length === 1 ? '' : 'one of '}${choices.map(display).join(', ')}`
  fail(task, choices.every(isScalar) ? named : "'enum' failed")
}

const isScalar = (value: unknown): boolean => !isTable(value) && !Array.isArray(value)

/** Equality of JSON; an int64 of --set equals the number it looks like. */
export function isEqual(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b))
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plain)
  return isTable(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value
}

function display(value: unknown): string {
  if (typeof value === 'string') return quoted(value)
  return value === null ? '<nil>' : String(value)
}

/** Formats are checked by drafts before 2019; later ones take them for comments. */
export function checkFormat(task: Task): void {
  const { schema, draft, value } = task
  if (draft >= 2019 || typeof schema.format !== 'string' || typeof value !== 'string') return
  const problem = formatProblem(schema.format, value)
  if (problem !== undefined) fail(task, `${quoted(value)} is not valid ${schema.format}: ${problem}`)
}

export function checkString(task: Task, value: string): void {
  const { minLength, maxLength, pattern } = task.schema
  const length = [...value].length
  if (typeof minLength === 'number' && length < minLength) fail(task, bound('minLength', length, minLength))
  if (typeof maxLength === 'number' && length > maxLength) fail(task, bound('maxLength', length, maxLength))
  if (typeof pattern === 'string' && !schemaPattern(pattern).test(value))
    fail(task, `${quoted(value)} does not match pattern ${quoted(pattern)}`)
}

export function checkNumber(task: Task, value: number | bigint): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = task.schema
  // Draft 4 has booleans that make the other bound exclusive.
  const least = exclusiveMinimum === true ? undefined : minimum
  const most = exclusiveMaximum === true ? undefined : maximum
  const above = exclusiveMinimum === true ? minimum : exclusiveMinimum
  const below = exclusiveMaximum === true ? maximum : exclusiveMaximum
  if (typeof least === 'number' && value < least) fail(task, bound('minimum', value, least))
  if (typeof most === 'number' && value > most) fail(task, bound('maximum', value, most))
  if (typeof above === 'number' && value <= above) fail(task, bound('exclusiveMinimum', value, above))
  if (typeof below === 'number' && value >= below) fail(task, bound('exclusiveMaximum', value, below))
  if (typeof multipleOf === 'number' && !isMultiple(value, multipleOf))
    fail(task, bound('multipleOf', value, multipleOf))
}

export function bound(keyword: string, got: number | bigint, want: number): string {
  return `${keyword}: got ${englishNumber(got)}, want ${englishNumber(want)}`
}

/** In exact decimals: 0.3 is a multiple of 0.1. */
function isMultiple(value: number | bigint, factor: number): boolean {
  const [a, b] = [decimal(value), decimal(factor)]
  const scale = Math.max(a.scale, b.scale)
  const divisor = b.digits * 10n ** BigInt(scale - b.scale)
  return divisor !== 0n && (a.digits * 10n ** BigInt(scale - a.scale)) % divisor === 0n
}

/** `digits` / 10^`scale` */
function decimal(value: number | bigint): { digits: bigint; scale: number } {
  if (typeof value === 'bigint') return { digits: value, scale: 0 }
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}
