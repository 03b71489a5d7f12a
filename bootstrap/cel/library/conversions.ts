/** size, type, dyn and the conversions between types (langdef.md "Standard Definitions"). */
import { CelError } from '../errors.ts'
import { checkedInt, checkedUint, fn, method, type Overload } from '../functions.ts'
import { bool, bytes, double, dyn, int, listOf, mapOf, param, string, type Type, typeOf, uint } from '../types.ts'
import { type MapValue, TypeValue, typeNameOf, Uint, type Value } from '../values.ts'

const invalid = (message: string): never => {
  throw new CelError(message)
}

/** Sizes count code points. */
export function codePoints(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

const sizes: readonly (readonly [Type, (value: never) => number])[] = [
  [string, codePoints],
  [bytes, (value: Uint8Array) => value.length],
  [listOf(param('A')), (value: readonly Value[]) => value.length],
  [mapOf(param('A'), param('B')), (value: MapValue) => value.size],
]

function intOfDouble(value: number): bigint {
  if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) return invalid('integer overflow')
  return BigInt(Math.trunc(value))
}

function uintOfDouble(value: number): Uint {
  if (!Number.isFinite(value) || value < 0 || value >= 2 ** 64) return invalid('unsigned integer overflow')
  return new Uint(BigInt(Math.trunc(value)))
}

function intOfText(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) return invalid(`cannot convert ${JSON.stringify(text)} to int`)
  return checkedInt(BigInt(text.replace(/^\+/, '')))
}

function uintOfText(text: string): Uint {
  if (!/^\d+$/.test(text)) return invalid(`cannot convert ${JSON.stringify(text)} to uint`)
  return new Uint(checkedUint(BigInt(text)))
}

function doubleOfText(text: string): number {
  const special: { readonly [text: string]: number } = { inf: Infinity, infinity: Infinity, nan: Number.NaN }
  const named = special[text.replace(/^[+-]/, '').toLowerCase()]
  if (named !== undefined) return text.startsWith('-') ? -named : named
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text))
    return invalid(`cannot convert ${JSON.stringify(text)} to double`)
  return Number(text)
}

function boolOfText(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false
  return invalid(`cannot convert ${JSON.stringify(text)} to bool`)
}

/** As Go's strconv.FormatFloat(x, 'g', -1, 64) writes it. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 21) return plainText(mantissa, power)
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

function plainText(mantissa: string, power: number): string {
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`
  if (digits.length <= power + 1) return sign + digits.padEnd(power + 1, '0')
  return `${sign}${digits.slice(0, power + 1)}.${digits.slice(power + 1)}`
}

function textOfBytes(value: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  } catch {
    return invalid('invalid UTF-8 in bytes, cannot convert to string')
  }
}

export const conversions: readonly Overload[] = [
  ...sizes.flatMap(([type, of]) => {
    const run: Overload['run'] = value => BigInt(of(value as never))
    return [fn('size', [type], int, run), method('size', [type], int, run)]
  }),
  fn('type', [param('A')], typeOf(param('A')), (value: Value) => new TypeValue(typeNameOf(value))),
  fn('dyn', [param('A')], dyn, (value: Value) => value),
  fn('int', [int], int, (value: bigint) => value),
  fn('int', [uint], int, ({ value }: Uint) => checkedInt(value)),
  fn('int', [double], int, intOfDouble),
  fn('int', [string], int, intOfText),
  fn('uint', [uint], uint, (value: Uint) => value),
  fn('uint', [int], uint, (value: bigint) => new Uint(checkedUint(value))),
  fn('uint', [double], uint, uintOfDouble),
  fn('uint', [string], uint, uintOfText),
  fn('double', [double], double, (value: number) => value),
  fn('double', [int], double, Number),
  fn('double', [uint], double, ({ value }: Uint) => Number(value)),
  fn('double', [string], double, doubleOfText),
  fn('bool', [bool], bool, (value: boolean) => value),
  fn('bool', [string], bool, boolOfText),
  fn('string', [string], string, (value: string) => value),
  fn('string', [bool], string, String),
  fn('string', [int], string, String),
  fn('string', [uint], string, ({ value }: Uint) => String(value)),
  fn('string', [double], string, doubleText),
  fn('string', [bytes], string, textOfBytes),
  fn('bytes', [bytes], bytes, (value: Uint8Array) => value),
  fn('bytes', [string], bytes, (value: string) => new Uint8Array(Buffer.from(value))),
]
