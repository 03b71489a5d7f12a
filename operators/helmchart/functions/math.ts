/** Sprig's arithmetic: integers are int64 and wrap around, floats are exact decimals in between. */
import { display } from '../template/format.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import type { GoValue } from '../template/values.ts'
import { toFloat64, toInt64 } from './cast.ts'
import {
  addDecimals,
  type DecimalOperation,
  divideDecimals,
  multiplyDecimals,
  reduceDecimals,
  subtractDecimals,
} from './decimals.ts'

const wrapped = (value: bigint): bigint => BigInt.asIntN(64, value)
const largest = goFunction('any, ...any -> int64', (...values: GoValue[]) => sorted(values).at(-1))
const least = goFunction('any, ...any -> int64', (...values: GoValue[]) => sorted(values)[0])

function sorted(values: readonly GoValue[]): bigint[] {
  return values.map(toInt64).sort((left, right) => Number(left > right) - Number(left < right))
}

export function mathFunctions(random: (limit: number) => number): FunctionTable {
  return {
    int: goFunction('any -> int', (value: GoValue) => toInt64(value)),
    int64: goFunction('any -> int64', toInt64),
    float64: goFunction('any -> float64', toFloat64),
    toDecimal: goFunction('any -> int64', octal),
    add1: goFunction('any -> int64', (value: GoValue) => wrapped(toInt64(value) + 1n)),
    add: goFunction('...any -> int64', (...values: GoValue[]) =>
      wrapped(values.reduce<bigint>((sum, value) => sum + toInt64(value), 0n)),
    ),
    sub: goFunction('any, any -> int64', (left: GoValue, right: GoValue) => wrapped(toInt64(left) - toInt64(right))),
    div: goFunction('any, any -> int64', (left: GoValue, right: GoValue) => wrapped(toInt64(left) / divisor(right))),
    mod: goFunction('any, any -> int64', (left: GoValue, right: GoValue) => toInt64(left) % divisor(right)),
    mul: goFunction('any, ...any -> int64', (first: GoValue, ...others: GoValue[]) =>
      others.reduce<bigint>((product, value) => wrapped(product * toInt64(value)), toInt64(first)),
    ),
    add1f: goFunction('any -> float64', (value: GoValue) => decimals(value, [1], addDecimals)),
    addf: goFunction('...any -> float64', (...values: GoValue[]) => decimals(0, values, addDecimals)),
    subf: goFunction('any, ...any -> float64', (first: GoValue, ...others: GoValue[]) =>
      decimals(first, others, subtractDecimals),
    ),
    mulf: goFunction('any, ...any -> float64', (first: GoValue, ...others: GoValue[]) =>
      decimals(first, others, multiplyDecimals),
    ),
    divf: goFunction('any, ...any -> float64', (first: GoValue, ...others: GoValue[]) =>
      decimals(first, others, divideDecimals),
    ),
    biggest: largest,
    max: largest,
    min: least,
    maxf: goFunction('any, ...any -> float64', (...values: GoValue[]) => Math.max(...values.map(toFloat64))),
    minf: goFunction('any, ...any -> float64', (...values: GoValue[]) => Math.min(...values.map(toFloat64))),
    ceil: goFunction('any -> float64', (value: GoValue) => Math.ceil(toFloat64(value))),
    floor: goFunction('any -> float64', (value: GoValue) => Math.floor(toFloat64(value))),
    round: goFunction('any, int, ...float64 -> float64', round),
    randInt: goFunction('int, int -> int', (from: number, limit: number) => {
      if (limit - from <= 0) throw new GoError('invalid argument to Intn')
      return random(limit - from) + from
    }),
  }
}

function divisor(value: GoValue): bigint {
  const integer = toInt64(value)
  if (integer === 0n) throw new GoError('runtime error: integer divide by zero')
  return integer
}

function decimals(first: GoValue, others: readonly GoValue[], operation: DecimalOperation): number {
  return reduceDecimals(toFloat64(first), others.map(toFloat64), operation)
}

function round(value: GoValue, places: number, threshold = 0.5): number {
  const power = 10 ** places
  const digit = power * toFloat64(value)
  const fraction = digit - Math.trunc(digit)
  return (fraction >= threshold ? Math.ceil(digit) : Math.floor(digit)) / power
}

function octal(value: GoValue): bigint {
  const text = display(value)
  if (!/^[+-]?[0-7]+$/.test(text)) return 0n
  const digits = BigInt(`0o${text.replace(/^[+-]/, '')}`)
  const result = text.startsWith('-') ? -digits : digits
  return result >= 2n ** 63n || result < -(2n ** 63n) ? 0n : result
}
