/** Number literals of templates, and strconv.ParseInt and ParseFloat. */
import { quote, unquoteRune } from './quote.ts'

export interface NumberLiteral {
  readonly int: bigint | undefined
  readonly uint: bigint | undefined
  readonly float: number | undefined
}

const maxInt64 = 2n ** 63n - 1n
const maxUint64 = 2n ** 64n - 1n

/** What a number literal stands for, or what is wrong with it. */
export function parseNumberLiteral(text: string, kind: 'rune' | 'number' | 'complex'): NumberLiteral | string {
  if (kind === 'rune') return runeLiteral(text)
  if (kind === 'complex' || (text.endsWith('i') && parseFloatText(text.slice(0, -1)) !== undefined))
    return `complex numbers are not supported: ${quote(text)}`
  const integer = parseIntegerText(text)
  if (integer !== undefined && integer <= maxUint64 && integer >= -maxInt64 - 1n) return integerLiteral(text, integer)
  const float = parseFloatText(text)
  if (float === undefined) return `illegal number syntax: ${quote(text)}`
  if (!/[.eEpP]/.test(text)) return `integer overflow: ${quote(text)}`
  const whole = Number.isInteger(float) ? BigInt(float) : undefined
  return {
    int: whole !== undefined && whole <= maxInt64 && whole >= -maxInt64 - 1n ? whole : undefined,
    uint: whole !== undefined && whole <= maxUint64 && whole >= 0n ? whole : undefined,
    float,
  }
}

function runeLiteral(text: string): NumberLiteral | string {
  const code = unquoteRune(text)
  if (code === 'invalid syntax') return code
  if (code === 'malformed') return `malformed character constant: ${text}`
  return { int: BigInt(code), uint: BigInt(code), float: code }
}

function integerLiteral(text: string, integer: bigint): NumberLiteral {
  // ParseUint takes no sign, with an exception for -0.
  const unsigned = !/^[+-]/.test(text) || integer === 0n
  return {
    int: integer <= maxInt64 ? integer : undefined,
    uint: unsigned && integer >= 0n ? integer : undefined,
    float: Number(integer),
  }
}

/** An integer in Go's syntax with base prefix and underscores; undefined when it is none. Not limited in size. */
export function parseIntegerText(text: string): bigint | undefined {
  const match =
    /^([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[oO]?((?:_?[0-7])+)|0[bB]((?:_?[01])+)|(0|[1-9](?:_?[0-9])*))$/.exec(text)
  if (!match) return undefined
  const [, sign, hexadecimal, octal, binary, decimal] = match
  const digits = hexadecimal ? `0x${hexadecimal}` : octal ? `0o${octal}` : binary ? `0b${binary}` : decimal!
  const value = BigInt(digits.replaceAll('_', ''))
  return sign === '-' ? -value : value
}

/** strconv.ParseInt(text, 10, 64): plain digits only; undefined when malformed or too big. */
export function parseDecimalInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  return value > maxInt64 || value < -maxInt64 - 1n ? undefined : value
}

/** strconv.ParseFloat(text, 64); undefined when malformed or out of range. */
export function parseFloatText(text: string): number | undefined {
  if (/^[+-]?(?:inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^[+-]?nan$/i.test(text)) return /^[+-]/.test(text) ? undefined : Number.NaN
  if (/^[+-]?0[xX]/.test(text)) return parseHexFloat(text)
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

function parseHexFloat(text: string): number | undefined {
  const match = /^([+-]?)0[xX]([0-9a-fA-F_]*)\.?([0-9a-fA-F_]*)[pP]([+-]?[0-9_]+)$/.exec(text)
  if (!match || (match[2] === '' && match[3] === '')) return undefined
  const fraction = match[3]!.replaceAll('_', '')
  const mantissa = Number(BigInt(`0x${match[2]!.replaceAll('_', '')}${fraction}`))
  const value = mantissa * 2 ** (Number(match[4]!.replaceAll('_', '')) - 4 * fraction.length)
  return match[1] === '-' ? -value : value
}
