/** Sprig's functions over strings. */
import { byteLength, bytesOf, isAscii, sliceBytes } from '../template/bytes.ts'
import { display } from '../template/format.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { parseDecimalInt64 } from '../template/numbers.ts'
import { quote } from '../template/quote.ts'
import type { GoValue } from '../template/values.ts'
import { textOfValue, textsOf } from './cast.ts'
import { camelCase, kebabCase, snakeCase, swapCase, title, uncapitalize } from './letter-case.ts'
import { abbreviate, abbreviateBoth, wrap } from './wrap.ts'

/** unicode.IsSpace. */
export const space = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/

const trim = goFunction('string -> string', trimSpace)
const trimAll = goFunction('string, string -> string', (cutset: string, text: string) => trimSet(text, cutset))

export const stringFunctions: FunctionTable = {
  hello: goFunction('-> string', () => 'Hello!'),
  abbrev: goFunction('int, string -> string', (width: number, text: string) =>
    width < 4 ? text : abbreviate(text, width),
  ),
  abbrevboth: goFunction('int, int, string -> string', abbreviateBoth),
  trunc: goFunction('int, string -> string', truncate),
  trim,
  upper: goFunction('string -> string', upper),
  lower: goFunction('string -> string', lower),
  title: goFunction('string -> string', title),
  untitle: goFunction('string -> string', uncapitalize),
  substr: goFunction('int, int, string -> string', substring),
  repeat: goFunction('int, string -> string', repeat),
  trimall: trimAll,
  trimAll,
  trimSuffix: goFunction('string, string -> string', (suffix: string, text: string) =>
    text.endsWith(suffix) ? text.slice(0, text.length - suffix.length) : text,
  ),
  trimPrefix: goFunction('string, string -> string', (prefix: string, text: string) =>
    text.startsWith(prefix) ? text.slice(prefix.length) : text,
  ),
  nospace: goFunction('string -> string', removeSpace),
  initials: goFunction('string -> string', initials),
  swapcase: goFunction('string -> string', swapCase),
  snakecase: goFunction('string -> string', snakeCase),
  camelcase: goFunction('string -> string', camelCase),
  kebabcase: goFunction('string -> string', kebabCase),
  wrap: goFunction('int, string -> string', (width: number, text: string) => wrap(text, width, '', false)),
  wrapWith: goFunction('int, string, string -> string', (width: number, newLine: string, text: string) =>
    wrap(text, width, newLine, true),
  ),
  contains: goFunction('string, string -> bool', (part: string, text: string) => text.includes(part)),
  hasPrefix: goFunction('string, string -> bool', (prefix: string, text: string) => text.startsWith(prefix)),
  hasSuffix: goFunction('string, string -> bool', (suffix: string, text: string) => text.endsWith(suffix)),
  quote: goFunction('...any -> string', (...values: GoValue[]) =>
    present(values)
      .map(value => quote(textOfValue(value)))
      .join(' '),
  ),
  squote: goFunction('...any -> string', (...values: GoValue[]) =>
    present(values)
      .map(value => `'${display(value)}'`)
      .join(' '),
  ),
  cat: goFunction('...any -> string', (...values: GoValue[]) => present(values).map(display).join(' ')),
  indent: goFunction('int, string -> string', indent),
  nindent: goFunction('int, string -> string', (spaces: number, text: string) => `\n${indent(spaces, text)}`),
  replace: goFunction('string, string, string -> string', replaceAll),
  plural: goFunction('string, string, int -> string', (one: string, many: string, count: number) =>
    count === 1 ? one : many,
  ),
  toString: goFunction('any -> string', textOfValue),
  toStrings: goFunction('any -> strings', textsOf),
  atoi: goFunction('string -> int', (text: string) => parseDecimalInt64(text) ?? clamped(text)),
  split: goFunction('string, string -> stringDict', (separator: string, text: string) =>
    numbered(splitText(text, separator)),
  ),
  splitn: goFunction('string, int, string -> stringDict', (separator: string, limit: number, text: string) =>
    numbered(splitText(text, separator, limit)),
  ),
  splitList: goFunction('string, string -> strings', (separator: string, text: string) => splitText(text, separator)),
  join: goFunction('string, any -> string', (separator: string, list: GoValue) => textsOf(list).join(separator)),
}

function present(values: readonly GoValue[]): GoValue[] {
  return values.filter(value => value !== null && value !== undefined)
}

export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && space.test(text[start]!)) start++
  while (end > start && space.test(text[end - 1]!)) end--
  return text.slice(start, end)
}

function trimSet(text: string, cutset: string): string {
  const characters = new Set(cutset)
  const all = [...text]
  let start = 0
  let end = all.length
  while (start < end && characters.has(all[start]!)) start++
  while (end > start && characters.has(all[end - 1]!)) end--
  return all.slice(start, end).join('')
}

/** Go's mapping is by single characters: nothing becomes two (ß stays). */
function upper(text: string): string {
  return isAscii(text) ? text.toUpperCase() : mapCharacters(text, char => char.toUpperCase())
}

function lower(text: string): string {
  return isAscii(text) ? text.toLowerCase() : mapCharacters(text, char => char.toLowerCase())
}

function mapCharacters(text: string, change: (char: string) => string): string {
  return Array.from(text.toWellFormed(), char => {
    const changed = change(char)
    return [...changed].length === 1 ? changed : char
  }).join('')
}

function truncate(count: number, text: string): string {
  const length = byteLength(text)
  if (count < 0 && length + count > 0) return sliceBytes(text, length + count)
  return count >= 0 && length > count ? sliceBytes(text, 0, count) : text
}

function substring(start: number, end: number, text: string): string {
  const length = byteLength(text)
  if (start < 0) return checkedSlice(text, 0, end, length)
  if (end < 0 || end > length) return checkedSlice(text, start, length, length)
  return checkedSlice(text, start, end, length)
}

function checkedSlice(text: string, start: number, end: number, length: number): string {
  if (end < 0 || end > length)
    throw new GoError(
      end < 0
        ? `runtime error: slice bounds out of range [:${end}]`
        : `runtime error: slice bounds out of range [:${end}] with length ${length}`,
    )
  if (start > end) throw new GoError(`runtime error: slice bounds out of range [${start}:${end}]`)
  return sliceBytes(text, start, end)
}

const maximumLength = 2 ** 28

function repeat(count: number, text: string): string {
  if (count < 0) throw new GoError('strings: negative Repeat count')
  if (text.length * count > maximumLength) throw new GoError('strings: Repeat output length overflow')
  return text.repeat(count)
}

/** The library goes byte by byte and writes each byte as a character: beyond ASCII text comes out mangled, as upstream. */
function removeSpace(text: string): string {
  if (isAscii(text)) return text.replace(/[\t-\r ]/g, '')
  const bytes = [...bytesOf(text)].filter(byte => !space.test(String.fromCharCode(byte)))
  return bytes.length === byteLength(text) ? text : String.fromCharCode(...bytes)
}

function initials(text: string): string {
  let out = ''
  let afterGap = true
  for (const byte of bytesOf(text)) {
    const char = String.fromCharCode(byte)
    if (space.test(char)) afterGap = true
    else if (afterGap) {
      out += char
      afterGap = false
    }
  }
  return out
}

export function indent(spaces: number, text: string): string {
  if (spaces < 0) throw new GoError('strings: negative Repeat count')
  const padding = ' '.repeat(spaces)
  return padding + text.replaceAll('\n', `\n${padding}`)
}

function replaceAll(old: string, replacement: string, text: string): string {
  if (old !== '') return text.split(old).join(replacement)
  return replacement + Array.from(text, char => char + replacement).join('')
}

/** strconv.Atoi gives the nearest integer for one out of range; its error is dropped. */
function clamped(text: string): bigint {
  if (!/^[+-]?[0-9]+$/.test(text)) return 0n
  return text.startsWith('-') ? -(2n ** 63n) : 2n ** 63n - 1n
}

/** strings.SplitN: at most `limit` parts, all of them when it is negative. */
export function splitText(text: string, separator: string, limit = -1): string[] {
  if (limit === 0) return []
  const parts = separator === '' ? [...text] : text.split(separator)
  if (limit < 0 || parts.length <= limit) return parts
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)]
}

function numbered(parts: readonly string[]): { [key: string]: string } {
  return Object.fromEntries(parts.map((part, index) => [`_${index}`, part]))
}
