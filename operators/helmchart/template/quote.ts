/** strconv.Quote and strconv.Unquote. */
import { isInvalidByte, isPrint, textOf } from './bytes.ts'

const short: { readonly [char: string]: string } = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

const plain = /^[ !#-[\]-~]*$/

/** A Go string literal of a text. */
export function quote(text: string, onlyAscii = false): string {
  return plain.test(text) ? `"${text}"` : quoteWith(text, '"', onlyAscii)
}

/** A Go rune literal. */
export function quoteRune(codePoint: number, onlyAscii = false): string {
  const valid = codePoint <= 0x10ffff && !(codePoint >= 0xd800 && codePoint < 0xe000)
  return quoteWith(String.fromCodePoint(valid ? codePoint : 0xfffd), "'", onlyAscii)
}

function quoteWith(text: string, mark: string, onlyAscii: boolean): string {
  let out = mark
  for (const char of text) out += quotedChar(char, mark, onlyAscii)
  return out + mark
}

function quotedChar(char: string, mark: string, onlyAscii: boolean): string {
  const code = char.codePointAt(0)!
  if (isInvalidByte(code)) return `\\x${hex(code - 0xdc00, 2)}`
  if (char === mark || char === '\\') return `\\${char}`
  if (onlyAscii ? code < 0x80 && isPrint(code) : isPrint(code)) return char
  if (short[char]) return short[char]
  if (code < 0x20 || code === 0x7f) return `\\x${hex(code, 2)}`
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`
}

function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0')
}

/** The text of a Go string literal, in double quotes or backquotes; undefined when it is malformed. */
export function unquote(literal: string): string | undefined {
  const mark = literal[0]
  const body = literal.slice(1, -1)
  if (mark === '`') return body.replaceAll('\r', '')
  if (!/[\\\n]/.test(body)) return body
  const bytes: number[] = []
  for (let at = 0; at < body.length; ) {
    const step = unescapeAt(body, at, mark!)
    if (!step) return undefined
    if (step.byte) bytes.push(step.code)
    else bytes.push(...Buffer.from(String.fromCodePoint(step.code)))
    at = step.next
  }
  return textOf(Uint8Array.from(bytes))
}

/** The code point of a Go rune literal, quotes included; or why it is none. */
export function unquoteRune(literal: string): number | 'invalid syntax' | 'malformed' {
  const step = unescapeAt(literal, 1, "'")
  if (!step) return 'invalid syntax'
  return literal.slice(step.next) === "'" ? step.code : 'malformed'
}

interface Unescaped {
  readonly code: number
  /** The code is a byte, not a character. */
  readonly byte: boolean
  readonly next: number
}

const escapes: { readonly [char: string]: number } = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 }

function unescapeAt(text: string, at: number, mark: string): Unescaped | undefined {
  const code = text.codePointAt(at)
  if (code === undefined || text[at] === mark || text[at] === '\n') return undefined
  if (text[at] !== '\\') return { code, byte: false, next: at + (code > 0xffff ? 2 : 1) }
  const kind = text[at + 1]
  if (kind === undefined) return undefined
  if (escapes[kind] !== undefined) return { code: escapes[kind], byte: false, next: at + 2 }
  if (kind === "'" || kind === '"')
    return kind === mark ? { code: kind.charCodeAt(0), byte: false, next: at + 2 } : undefined
  return numericEscape(text, at + 1)
}

function numericEscape(text: string, at: number): Unescaped | undefined {
  const octal = /^[0-7]{3}/.exec(text.slice(at, at + 3))
  if (octal) {
    const code = Number.parseInt(octal[0], 8)
    return code > 255 ? undefined : { code, byte: code >= 0x80, next: at + 3 }
  }
  const width = { x: 2, u: 4, U: 8 }[text[at]!]
  const digits = text.slice(at + 1, at + 1 + (width ?? 0))
  if (width === undefined || digits.length !== width || !/^[0-9a-fA-F]+$/.test(digits)) return undefined
  const code = Number.parseInt(digits, 16)
  if (width > 2 && (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))) return undefined
  return { code, byte: width === 2 && code >= 0x80, next: at + 1 + width }
}
