/** "...".format([...]) (cel-go ext/formatting). */
import { CelError } from '../errors.ts'
import { Duration, isList, isMap, Timestamp, TypeValue, typeNameOf, Uint, type Value } from '../values.ts'
import { doubleText } from './conversions.ts'
import { durationText, timestampText } from './time.ts'

const fail = (message: string): never => {
  throw new CelError(message)
}

export function format(text: string, args: readonly Value[]): string {
  let next = 0
  return text.replace(
    /%(?:%|(?:\.(\d+))?([a-zA-Z])|.?)/gs,
    (clause, precision: string | undefined, verb: string | undefined) => {
      if (clause === '%%') return '%'
      if (verb === undefined)
        return fail(`could not parse formatting clause: unrecognized formatting clause "${clause.slice(1)}"`)
      const arg = args[next]
      if (arg === undefined) return fail(`index ${next} out of range`)
      next++
      return formatted(verb, precision === undefined ? 6 : Number(precision), arg)
    },
  )
}

function formatted(verb: string, precision: number, arg: Value): string {
  switch (verb) {
    case 's':
      return textOf(arg)
    case 'd':
      return decimal(arg)
    case 'f':
      return special(arg) ?? fixed(numberOf(arg, 'fixed-point'), precision)
    case 'e':
      return special(arg) ?? exponential(numberOf(arg, 'scientific'), precision)
    case 'b':
      if (typeof arg === 'boolean') return arg ? '1' : '0'
      return integerOf(arg, 'binary').toString(2)
    case 'o':
      return integerOf(arg, 'octal').toString(8)
    case 'x':
    case 'X': {
      const hex = hexOf(arg)
      return verb === 'x' ? hex : hex.toUpperCase()
    }
    default:
      return fail(`could not parse formatting clause: unrecognized formatting clause "${verb}"`)
  }
}

function textOf(arg: Value): string {
  if (arg === null) return 'null'
  switch (typeof arg) {
    case 'string':
      return arg
    case 'boolean':
    case 'bigint':
      return String(arg)
    case 'number':
      return special(arg) ?? doubleText(arg)
  }
  if (arg instanceof Uint) return String(arg.value)
  if (arg instanceof Uint8Array) return new TextDecoder().decode(arg)
  if (arg instanceof Timestamp) return timestampText(arg)
  if (arg instanceof Duration) return durationText(arg)
  if (arg instanceof TypeValue) return arg.name
  if (isList(arg)) return `[${arg.map(textOf).join(', ')}]`
  if (isMap(arg))
    return `{${arg
      .keys()
      .map(key => `${textOf(key)}: ${textOf(arg.get(key)!)}`)
      .sort()
      .join(', ')}}`
  return fail(
    `error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${typeNameOf(arg)}`,
  )
}

/** Halves go to the even neighbour, as in Go. */
function fixed(value: number, precision: number): string {
  const scaled = value * 10 ** precision
  const isHalf = Math.abs(scaled % 1) === 0.5 && Math.trunc(scaled) % 2 === 0
  return isHalf ? (Math.trunc(scaled) / 10 ** precision).toFixed(precision) : value.toFixed(precision)
}

function special(arg: Value): string | undefined {
  if (typeof arg !== 'number' || Number.isFinite(arg)) return undefined
  return Number.isNaN(arg) ? 'NaN' : arg > 0 ? 'Infinity' : '-Infinity'
}

function decimal(arg: Value): string {
  if (typeof arg === 'number') return special(arg) ?? doubleText(arg)
  return integerOf(arg, 'decimal').toString()
}

function integerOf(arg: Value, clause: string): bigint {
  if (typeof arg === 'bigint') return arg
  if (arg instanceof Uint) return arg.value
  return fail(`error during formatting: ${clause} clause can only be used on integers, was given ${typeNameOf(arg)}`)
}

function numberOf(arg: Value, clause: string): number {
  if (typeof arg === 'number') return arg
  if (typeof arg === 'bigint') return Number(arg)
  if (arg instanceof Uint) return Number(arg.value)
  return fail(`error during formatting: ${clause} clause can only be used on doubles, was given ${typeNameOf(arg)}`)
}

function exponential(value: number, precision: number): string {
  return value.toExponential(precision).replace(/e([+-])(\d)$/, 'e$10$2')
}

function hexOf(arg: Value): string {
  if (typeof arg === 'string') return Buffer.from(arg).toString('hex')
  if (arg instanceof Uint8Array) return Buffer.from(arg).toString('hex')
  return integerOf(arg, 'hex').toString(16)
}
