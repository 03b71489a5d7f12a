/** Methods of texts: the standard ones and cel-go's strings extension. */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, dyn, int, listOf, string } from '../types.ts'
import type { Value } from '../values.ts'
import { format } from './format.ts'

function index(value: bigint, text: readonly string[], what = 'index'): number {
  if (value < 0n || value > BigInt(text.length)) throw new CelError(`${what} out of range: ${value}`)
  return Number(value)
}

function charAt(text: string, at: bigint): string {
  const letters = [...text]
  return letters[index(at, letters)] ?? ''
}

function substring(text: string, start: bigint, end?: bigint): string {
  const letters = [...text]
  const from = index(start, letters)
  const to = end === undefined ? letters.length : index(end, letters)
  if (to < from) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`)
  return letters.slice(from, to).join('')
}

function indexOf(text: string, part: string, offset = 0n): bigint {
  const [letters, wanted] = [[...text], [...part]]
  const start = index(offset, letters)
  for (let at = start; at + wanted.length <= letters.length; at++)
    if (wanted.every((letter, position) => letters[at + position] === letter)) return BigInt(at)
  return -1n
}

function lastIndexOf(text: string, part: string, offset?: bigint): bigint {
  const [letters, wanted] = [[...text], [...part]]
  const last = offset === undefined ? letters.length : index(offset, letters)
  for (let at = Math.min(last, letters.length - wanted.length); at >= 0; at--)
    if (wanted.every((letter, position) => letters[at + position] === letter)) return BigInt(at)
  return -1n
}

function replace(text: string, old: string, by: string, limit = -1n): string {
  if (limit < 0n) return text.split(old).length === 1 ? text : joined(old === '' ? [...text] : text.split(old), old, by)
  let left = Number(limit)
  if (old === '') {
    const letters = [...text]
    return letters.map(letter => (left-- > 0 ? by + letter : letter)).join('') + (left > 0 ? by : '')
  }
  let [result, rest] = ['', text]
  while (left-- > 0) {
    const at = rest.indexOf(old)
    if (at < 0) break
    result += rest.slice(0, at) + by
    rest = rest.slice(at + old.length)
  }
  return result + rest
}

function joined(parts: readonly string[], old: string, by: string): string {
  return old === '' ? by + parts.join(by) + by : parts.join(by)
}

function split(text: string, separator: string, limit = -1n): Value {
  const parts = separator === '' ? [...text] : text.split(separator)
  if (limit < 0n) return parts
  if (limit === 0n) return []
  const count = Number(limit)
  if (parts.length <= count) return parts
  return [...parts.slice(0, count - 1), parts.slice(count - 1).join(separator)]
}

/** What Go's unicode.IsSpace counts as space, at either end. */
const blanks = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+'
const space = new RegExp(`^${blanks}|${blanks}$`, 'g')

const ascii = (text: string, pattern: RegExp, change: (letter: string) => string) => text.replace(pattern, change)

const escapes: { readonly [letter: string]: string } = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}

function quote(text: string): string {
  return `"${[...text.toWellFormed()].map(letter => escapes[letter] ?? letter).join('')}"`
}

export const strings: readonly Overload[] = [
  method('contains', [string, string], bool, (text: string, part: string) => text.includes(part)),
  method('startsWith', [string, string], bool, (text: string, part: string) => text.startsWith(part)),
  method('endsWith', [string, string], bool, (text: string, part: string) => text.endsWith(part)),
  method('charAt', [string, int], string, charAt),
  method('indexOf', [string, string], int, indexOf),
  method('indexOf', [string, string, int], int, indexOf),
  method('lastIndexOf', [string, string], int, lastIndexOf),
  method('lastIndexOf', [string, string, int], int, lastIndexOf),
  method('join', [listOf(string)], string, (parts: string[]) => parts.join('')),
  method('join', [listOf(string), string], string, (parts: string[], by: string) => parts.join(by)),
  method('lowerAscii', [string], string, (text: string) => ascii(text, /[A-Z]/g, letter => letter.toLowerCase())),
  method('upperAscii', [string], string, (text: string) => ascii(text, /[a-z]/g, letter => letter.toUpperCase())),
  method('replace', [string, string, string], string, replace),
  method('replace', [string, string, string, int], string, replace),
  method('split', [string, string], listOf(string), split),
  method('split', [string, string, int], listOf(string), split),
  method('substring', [string, int], string, substring),
  method('substring', [string, int, int], string, substring),
  method('trim', [string], string, (text: string) => text.replace(space, '')),
  method('reverse', [string], string, (text: string) => [...text].reverse().join('')),
  method('format', [string, listOf(dyn)], string, format),
  fn('strings.quote', [string], string, quote),
]
