/** Conversions Sprig makes of whatever it is given, by spf13/cast: what cannot be converted is 0. */
import { textOf } from '../template/bytes.ts'
import { display } from '../template/format.ts'
import { parseFloatText, parseIntegerText } from '../template/numbers.ts'
import { GoInteger, GoStruct, type GoValue } from '../template/values.ts'

const minInt64 = -(2n ** 63n)

/** int64(float) as amd64 does it: what does not fit is the smallest integer. */
export function truncateToInt64(value: number): bigint {
  if (!Number.isFinite(value)) return minInt64
  const whole = BigInt(Math.trunc(value))
  return whole >= 2n ** 63n || whole < minInt64 ? minInt64 : whole
}

/** cast.ToInt64. */
export function toInt64(value: GoValue): bigint {
  switch (typeof value) {
    case 'bigint':
      return value
    case 'number':
      return truncateToInt64(value)
    case 'boolean':
      return value ? 1n : 0n
    case 'string':
      return integerText(value)
    default:
      return value instanceof GoInteger && isPlainInteger(value) ? BigInt.asIntN(64, value.value) : 0n
  }
}

/** Named integer types are no integers to cast, but for months and weekdays. */
function isPlainInteger({ type }: GoInteger): boolean {
  return type.name === type.kind || type.name === 'time.Month' || type.name === 'time.Weekday'
}

function integerText(text: string): bigint {
  // "12.00" counts as 12.
  const value = parseIntegerText(text.replace(/\.0+$/, ''))
  return value === undefined || value >= 2n ** 63n || value < minInt64 ? 0n : value
}

/** cast.ToInt, as a number: exact below 2^53. */
export function toInt(value: GoValue): number {
  return Number(toInt64(value))
}

/** cast.ToFloat64. */
export function toFloat64(value: GoValue): number {
  if (typeof value === 'number') return value
  if (typeof value === 'string') return parseFloatText(value) ?? 0
  return Number(toInt64(value))
}

/** Sprig's strval: the text of a value. */
export function textOfValue(value: GoValue): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return textOf(value)
  if ((value instanceof GoStruct || value instanceof GoInteger) && value.text) return value.text()
  return display(value ?? null)
}

/** Sprig's strslice: the texts of a list's elements, nils left out; of one value for anything else. */
export function textsOf(value: GoValue): string[] {
  if (Array.isArray(value)) return value.filter(item => item !== null && item !== undefined).map(textOfValue)
  if (value instanceof Uint8Array) return Array.from(value, byte => String(byte))
  return value === null || value === undefined ? [] : [textOfValue(value)]
}
