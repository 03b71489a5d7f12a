/** Exact decimal arithmetic as shopspring/decimal does it for Sprig's float functions. */
import { GoError } from '../template/functions.ts'

/** coefficient * 10^exponent. */
interface Decimal {
  readonly coefficient: bigint
  readonly exponent: number
}

const divisionDigits = 16

export type DecimalOperation = (left: Decimal, right: Decimal) => Decimal

function decimalOf(value: number): Decimal {
  if (!Number.isFinite(value)) {
    const shown = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
    throw new GoError(`Cannot create a Decimal from ${shown}`)
  }
  const [mantissa, power] = value.toExponential().split('e')
  const [whole, fraction = ''] = mantissa!.split('.')
  return { coefficient: BigInt(whole! + fraction), exponent: Number(power) - fraction.length }
}

function aligned(left: Decimal, right: Decimal): readonly [bigint, bigint, number] {
  const exponent = Math.min(left.exponent, right.exponent)
  const scale = ({ coefficient, exponent: own }: Decimal): bigint => coefficient * 10n ** BigInt(own - exponent)
  return [scale(left), scale(right), exponent]
}

export const addDecimals: DecimalOperation = (left, right) => {
  const [first, second, exponent] = aligned(left, right)
  return { coefficient: first + second, exponent }
}

export const subtractDecimals: DecimalOperation = (left, right) => {
  const [first, second, exponent] = aligned(left, right)
  return { coefficient: first - second, exponent }
}

export const multiplyDecimals: DecimalOperation = (left, right) => ({
  coefficient: left.coefficient * right.coefficient,
  exponent: left.exponent + right.exponent,
})

/** Rounded half away from zero to 16 digits after the point. */
export const divideDecimals: DecimalOperation = (left, right) => {
  if (right.coefficient === 0n) throw new GoError('decimal division by 0')
  const [first, second] = aligned(left, right)
  const scaled = first * 10n ** BigInt(divisionDigits)
  const quotient = scaled / second
  const rest = scaled % second
  const absolute = (value: bigint): bigint => (value < 0n ? -value : value)
  const up = 2n * absolute(rest) >= absolute(second)
  const away = first < 0n === second < 0n ? 1n : -1n
  return { coefficient: up ? quotient + away : quotient, exponent: -divisionDigits }
}

/** Applies an operation to all numbers in turn. */
export function reduceDecimals(first: number, others: readonly number[], operation: DecimalOperation): number {
  const result = others.reduce((sum, value) => operation(sum, decimalOf(value)), decimalOf(first))
  return Number(`${result.coefficient}e${result.exponent}`)
}
