/** Splits CEL text into tokens (cel-spec doc/langdef.md, "Syntax"). */
import { CelSyntaxError } from './errors.ts'
import { Uint, type Value } from './values.ts'

export type Token =
  | { readonly kind: 'literal'; readonly value: Value; readonly at: number; readonly minimum?: boolean }
  | { readonly kind: 'name'; readonly text: string; readonly at: number; readonly quoted: boolean }
  | { readonly kind: 'symbol'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number }

const symbols = ['&&', '||', '==', '!=', '<=', '>=', '.?', '[?', ...'<>+-*/%!?:.,()[]{}']
const blank = /(?:[ \t\n\f\r]+|\/\/[^\n]*)+/y
const name = /[_a-zA-Z][_a-zA-Z0-9]*/y
const quotedName = /`([a-zA-Z0-9_.\-/ ]+)`/y
const number = /0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?/y
const textStart = /([rR]?[bB]?|[bB][rR])("""|'''|"|')/y

const maxInt = 2n ** 63n - 1n
const maxUint = 2n ** 64n - 1n

export function tokens(text: string): Token[] {
  const found: Token[] = []
  let at = 0
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    return pattern.exec(text)
  }
  while (at < text.length) {
    const space = match(blank)
    if (space) {
      at += space[0].length
      continue
    }
    const start = match(textStart)
    if (start) {
      const { value, end } = stringLiteral(text, at, start[1]!.toLowerCase(), start[2]!)
      found.push({ kind: 'literal', value, at })
      at = end
      continue
    }
    const digits = match(number)
    if (digits && !(digits[0].startsWith('.') && isOperandEnd(found.at(-1)))) {
      found.push(numberToken(digits[0], at))
      at += digits[0].length
      continue
    }
    const word = match(quotedName) ?? match(name)
    if (word) {
      const quoted = word[1] !== undefined
      found.push({ kind: 'name', text: quoted ? word[1]! : word[0], at, quoted })
      at += word[0].length
      continue
    }
    const symbol = symbols.find(one => text.startsWith(one, at))
    if (symbol === undefined) throw new CelSyntaxError(`Syntax error: token recognition error at: '${text[at]}'`, at)
    found.push({ kind: 'symbol', text: symbol, at })
    at += symbol.length
  }
  found.push({ kind: 'end', text: '', at })
  return found
}

/** Whether a dot behind this token selects a field rather than starts a number. */
function isOperandEnd(token: Token | undefined): boolean {
  return token !== undefined && (token.kind !== 'symbol' || [')', ']', '}'].includes(token.text))
}

function numberToken(text: string, at: number): Token {
  if (/[uU]$/.test(text)) {
    const value = BigInt(text.slice(0, -1))
    if (value > maxUint) throw new CelSyntaxError('invalid uint literal', at)
    return { kind: 'literal', value: new Uint(value), at }
  }
  if (/^0[xX]/.test(text) || /^\d+$/.test(text)) {
    const value = BigInt(text)
    // The least int is written as minus one more than the greatest.
    if (value > maxInt + 1n) throw new CelSyntaxError('invalid int literal', at)
    return { kind: 'literal', value, at, ...(value > maxInt ? { minimum: true } : {}) }
  }
  const value = Number(text)
  if (!Number.isFinite(value)) throw new CelSyntaxError('invalid double literal', at)
  return { kind: 'literal', value, at }
}

function stringLiteral(text: string, at: number, prefix: string, quote: string): { value: Value; end: number } {
  const raw = prefix.includes('r')
  const bytes = prefix.includes('b')
  let index = at + prefix.length + quote.length
  const units: number[] = []
  let plain = ''
  const push = (code: number, isByte: boolean) => {
    if (!bytes) plain += String.fromCodePoint(code)
    else if (isByte) units.push(code)
    else units.push(...Buffer.from(String.fromCodePoint(code)))
  }
  for (;;) {
    if (index >= text.length || (quote.length === 1 && (text[index] === '\n' || text[index] === '\r')))
      throw new CelSyntaxError(`Syntax error: token recognition error at: '${text.slice(at)}'`, at)
    if (text.startsWith(quote, index)) break
    if (text[index] === '\\' && !raw) {
      const one = escapeAt(text, index, bytes)
      push(one.code, one.isByte)
      index = one.end
      continue
    }
    const code = text.codePointAt(index)!
    push(code, false)
    index += code > 0xffff ? 2 : 1
  }
  return { value: bytes ? Uint8Array.from(units) : plain, end: index + quote.length }
}

const simple: { readonly [letter: string]: number } = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  '?': 63,
  '"': 34,
  "'": 39,
  '`': 96,
}

function escapeAt(text: string, index: number, bytes: boolean): { code: number; isByte: boolean; end: number } {
  const letter = text[index + 1] ?? ''
  const known = simple[letter]
  if (known !== undefined) return { code: known, isByte: false, end: index + 2 }
  const lengths: { readonly [letter: string]: number } = { x: 2, X: 2, u: 4, U: 8 }
  const length = lengths[letter]
  const digits = length === undefined ? text.slice(index + 1, index + 4) : text.slice(index + 2, index + 2 + length)
  const valid = length === undefined ? /^[0-3][0-7]{2}$/ : new RegExp(`^[0-9a-fA-F]{${length}}$`)
  if (!valid.test(digits))
    throw new CelSyntaxError(`Syntax error: token recognition error at: '${text.slice(index)}'`, index)
  const code = Number.parseInt(digits, length === undefined ? 8 : 16)
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || (bytes && (letter === 'u' || letter === 'U')))
    throw new CelSyntaxError('invalid unicode code point', index)
  return { code, isByte: letter === 'x' || letter === 'X' || length === undefined, end: index + 2 + (length ?? 2) }
}
