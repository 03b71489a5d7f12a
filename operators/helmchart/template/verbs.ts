/** Printf verbs over strings, bytes, integers and floats. Each gives undefined for a verb the type does not know. */
import { bytesOf, isPrint, textOf } from './bytes.ts'
import { type FloatFormat, formatFloat } from './floats.ts'
import { type Flags, pad, padSpaces, truncate, verbatim } from './padding.ts'
import { quote, quoteRune } from './quote.ts'

type ReadFlags = Readonly<Flags>

export function formatString(text: string, verb: string, flags: ReadFlags): string | undefined {
  switch (verb) {
    case 'v':
      return flags.sharpV ? quoted(text, flags) : verbatim(text, flags)
    case 's':
      return verbatim(text, flags)
    case 'q':
      return quoted(text, flags)
    case 'x':
    case 'X':
      return hexadecimal(bytesOf(text), verb, flags)
    default:
      return undefined
  }
}

function quoted(text: string, flags: ReadFlags): string {
  const shown = truncate(text, flags)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: backquotes hold no control characters but tab
  const backquoted = flags.sharp && !/[\0-\x08\n-\x1f\x7f`\ufeff\udc80-\udcff]/.test(shown)
  return pad(backquoted ? `\`${shown}\`` : quote(shown, flags.plus), flags)
}

export function formatBytes(bytes: Uint8Array, verb: string, flags: ReadFlags): string | undefined {
  switch (verb) {
    case 'v':
    case 'd':
      if (flags.sharpV) return `[]byte{${[...bytes].map(byte => `0x${byte.toString(16)}`).join(', ')}}`
      return `[${[...bytes].map(byte => formatInteger(BigInt(byte), false, verb, flags)).join(' ')}]`
    case 's':
      return verbatim(textOf(bytes), flags)
    case 'q':
      return quoted(textOf(bytes), flags)
    case 'x':
    case 'X':
      return hexadecimal(bytes, verb, flags)
    default:
      return undefined
  }
}

function hexadecimal(bytes: Uint8Array, verb: 'x' | 'X', flags: ReadFlags): string {
  const shown = bytes.subarray(0, flags.precision ?? bytes.length)
  if (shown.length === 0) return pad('', flags)
  const digits = [...shown].map(byte => {
    const text = byte.toString(16).padStart(2, '0')
    return verb === 'X' ? text.toUpperCase() : text
  })
  const prefix = flags.sharp ? `0${verb}` : ''
  return pad(prefix + digits.join(flags.space ? ` ${prefix}` : ''), flags)
}

const bases: { readonly [verb: string]: number } = { v: 10, d: 10, b: 2, o: 8, O: 8, x: 16, X: 16 }

export function formatInteger(value: bigint, signed: boolean, verb: string, flags: ReadFlags): string | undefined {
  if (verb === 'c') return pad(String.fromCodePoint(runeOf(value)), flags)
  if (verb === 'q') return pad(quoteRune(runeOf(value), flags.plus), flags)
  if (verb === 'U') return unicode(BigInt.asUintN(64, value), flags)
  const base = bases[verb]
  if (base === undefined) return undefined
  if (verb === 'v' && flags.sharpV && !signed) return padSpaces(`0x${value.toString(16)}`, flags)
  return digitsOf(value, base, verb, flags)
}

function runeOf(value: bigint): number {
  const code = BigInt.asUintN(64, value)
  return code > 0x10ffffn || (code >= 0xd800n && code < 0xe000n) ? 0xfffd : Number(code)
}

function digitsOf(value: bigint, base: number, verb: string, flags: ReadFlags): string {
  if (flags.precision === 0 && value === 0n) return padSpaces('', flags)
  const negative = value < 0n
  let digits = (negative ? -value : value).toString(base)
  if (verb === 'X') digits = digits.toUpperCase()
  digits = digits.padStart(leadingZeros(negative, flags), '0')
  if (flags.sharp) {
    if (base === 2) digits = `0b${digits}`
    else if (base === 8 && digits[0] !== '0') digits = `0${digits}`
    else if (base === 16) digits = `0${verb}${digits}`
  }
  if (verb === 'O') digits = `0o${digits}`
  const sign = negative ? '-' : flags.plus ? '+' : flags.space ? ' ' : ''
  return padSpaces(sign + digits, flags)
}

function leadingZeros(negative: boolean, flags: ReadFlags): number {
  if (flags.precision !== undefined) return flags.precision
  if (!flags.zero || flags.minus || flags.width === undefined) return 0
  return flags.width - (negative || flags.plus || flags.space ? 1 : 0)
}

function unicode(code: bigint, flags: ReadFlags): string {
  const digits = code
    .toString(16)
    .toUpperCase()
    .padStart(Math.max(4, flags.precision ?? 0), '0')
  const shown = flags.sharp && code <= 0x10ffffn && isPrint(Number(code))
  return padSpaces(`U+${digits}${shown ? ` '${String.fromCodePoint(Number(code))}'` : ''}`, flags)
}

const floatFormats: { readonly [verb: string]: readonly [FloatFormat, number] } = {
  v: ['g', -1],
  b: ['b', -1],
  g: ['g', -1],
  G: ['G', -1],
  x: ['x', -1],
  X: ['X', -1],
  f: ['f', 6],
  F: ['f', 6],
  e: ['e', 6],
  E: ['E', 6],
}

export function formatFloatVerb(value: number, verb: string, flags: ReadFlags): string | undefined {
  const [format, standard] = floatFormats[verb] ?? []
  if (format === undefined) return undefined
  const precision = flags.precision ?? standard!
  const text = formatFloat(value, format, precision)
  const sign = /^[-+]/.test(text) ? text[0]! : '+'
  const number = text.replace(/^[-+]/, '')
  const shownSign = sign === '-' || flags.plus ? sign : flags.space ? ' ' : ''
  if (!Number.isFinite(value)) {
    const infinite = flags.space && sign === '+' && !flags.plus ? ' ' : sign
    return padSpaces((Number.isNaN(value) ? shownSign : infinite) + number, flags)
  }
  const full = flags.sharp && format !== 'b' ? withPoint(number, verb, precision) : number
  if (flags.zero && !flags.minus && flags.width !== undefined)
    return shownSign + full.padStart(flags.width - shownSign.length, '0')
  return pad(shownSign + full, flags)
}

/** The sharp flag: always a decimal point, and zeros up to the precision. */
function withPoint(number: string, verb: string, precision: number): string {
  const hexadecimalFloat = verb === 'x' || verb === 'X'
  const cut = number.search(hexadecimalFloat ? /p/i : /[ep]/i)
  let head = cut < 0 ? number : number.slice(0, cut)
  const tail = cut < 0 ? '' : number.slice(cut)
  let missing = 'vgGx'.includes(verb) ? (precision === -1 ? 6 : precision) : 0
  const digits = head.replace('.', '').replace(/^0+/, '')
  missing -= digits.length
  if (!head.includes('.')) {
    if (head === '0') missing--
    head += '.'
  }
  return head + '0'.repeat(Math.max(missing, 0)) + tail
}
