/** Reads TOML 1.0 into the values BurntSushi/toml gives: int64, float64, times, maps and lists. */
import { GoError } from '../template/functions.ts'
import { parseFloatText, parseIntegerText } from '../template/numbers.ts'
import { quote, quoteRune } from '../template/quote.ts'
import { GoInteger, type GoMap, type GoValue, isMap, setEntry, typed, types } from '../template/values.ts'
import { parseInstant } from './date-reader.ts'
import { goTime } from './dates.ts'
import { utc } from './zones.ts'

/** A document. Throws GoError, "toml: line 3: ...". */
export function parseToml(text: string): GoMap {
  return new Reader(text.replaceAll('\r\n', '\n')).document()
}

class Reader {
  readonly #text: string
  readonly #root: GoMap = {}
  /** Tables and lists that a header or a literal has closed. */
  readonly #defined = new Set<object>()
  readonly #closed = new Set<object>()
  #at = 0
  /** The table and the key being read, for messages. */
  #context: readonly string[] = []
  #current: readonly string[] = []

  constructor(text: string) {
    this.#text = text
  }

  document(): GoMap {
    let table = this.#root
    for (this.#blank(true); this.#at < this.#text.length; this.#blank(true)) {
      if (this.#peek() === '[') table = this.#header()
      else this.#pair(table)
      this.#endOfLine()
    }
    return this.#root
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #fail(message: string): never {
    const line = this.#text.slice(0, this.#at).split('\n').length
    const key = [...this.#context, ...this.#current]
    throw new GoError(`toml: line ${line}${key.length > 0 ? ` (last key ${quote(key.join('.'))})` : ''}: ${message}`)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #blank(lines: boolean): void {
    this.#match(lines ? /(?:[ \t\n]|#[^\n]*)*/y : /[ \t]*/y)
  }

  #endOfLine(): void {
    this.#match(/[ \t]*(?:#[^\n]*)?/y)
    if (this.#at < this.#text.length && this.#peek() !== '\n')
      this.#fail(
        `expected a top-level item to end with a newline, comment, or EOF, but got ${shown(this.#peek())} instead`,
      )
  }

  #expect(text: string): void {
    if (!this.#text.startsWith(text, this.#at))
      this.#fail(`expected ${quote(text)} but found ${shown(this.#peek())} instead`)
    this.#at += text.length
  }

  #header(): GoMap {
    const list = this.#text.startsWith('[[', this.#at)
    this.#at += list ? 2 : 1
    const key = this.#key()
    if (this.#peek() !== ']')
      this.#fail(`expected '.' or ']' to end table name, but got ${shown(this.#peek())} instead`)
    this.#expect(list ? ']]' : ']')
    this.#context = key
    const parent = this.#descend(this.#root, key.slice(0, -1))
    const name = key.at(-1)!
    return list ? this.#listItem(parent, name, key) : this.#table(parent, name, key)
  }

  #table(parent: GoMap, name: string, key: readonly string[]): GoMap {
    if (!Object.hasOwn(parent, name)) setEntry(parent, name, {})
    const table = parent[name]
    if (!isMap(table) || this.#defined.has(table) || this.#closed.has(table))
      this.#fail(`Key '${key.join('.')}' has already been defined.`)
    this.#defined.add(table)
    return table
  }

  #listItem(parent: GoMap, name: string, key: readonly string[]): GoMap {
    if (!Object.hasOwn(parent, name)) setEntry(parent, name, typed([], types.dicts))
    const items = parent[name]
    if (!Array.isArray(items) || this.#closed.has(items))
      this.#fail(`Key '${key.join('.')}' was already created and cannot be used as an array.`)
    const table: GoMap = {}
    items.push(table)
    return table
  }

  /** The table below some keys, made where it is missing; of a list of tables the last one. */
  #descend(from: GoMap, keys: readonly string[]): GoMap {
    let table = from
    for (const key of keys) {
      if (!Object.hasOwn(table, key)) setEntry(table, key, {})
      const next = Array.isArray(table[key]) ? (table[key] as GoValue[]).at(-1) : table[key]
      if (!isMap(next) || this.#closed.has(next)) this.#fail(`Key '${keys.join('.')}' has already been defined.`)
      table = next
    }
    return table
  }

  #pair(table: GoMap): void {
    const key = this.#key()
    if (this.#peek() === '') this.#fail("unexpected EOF; expected key separator '='")
    if (this.#peek() !== '=') this.#fail(`expected '.' or '=', but got ${shown(this.#peek())} instead`)
    this.#at++
    const outer = this.#current
    this.#current = [...outer, ...key]
    this.#blank(false)
    const parent = this.#descend(table, key.slice(0, -1))
    const name = key.at(-1)!
    const value = this.#value()
    if (Object.hasOwn(parent, name)) this.#fail(`Key '${key.join('.')}' has already been defined.`)
    setEntry(parent, name, value)
    this.#current = outer
  }

  #key(): string[] {
    const parts: string[] = []
    do {
      this.#blank(false)
      const char = this.#peek()
      if (char === '"' || char === "'") parts.push(this.#string())
      else parts.push(this.#bareKey(parts.length === 0))
      this.#blank(false)
    } while (this.#match(/\./y) !== undefined)
    return parts
  }

  #bareKey(first: boolean): string {
    const key = this.#match(/[A-Za-z0-9_-]+/y)
    if (key !== undefined) return key
    const char = this.#peek()
    if (char === '=') this.#fail(first ? "unexpected '=': key name appears blank" : "unexpected '='")
    if (char === '.') this.#fail(first ? "unexpected '.': keys cannot start with a '.'" : "unexpected '.'")
    if (char === '') this.#fail("unexpected EOF; expected key separator '='")
    return this.#fail(`expected '.' or '=', but got ${shown(char)} instead`)
  }

  #value(): GoValue {
    switch (this.#peek()) {
      case '':
        return this.#fail('unexpected EOF; expected value')
      case '"':
      case "'":
        return this.#string()
      case '[':
        return this.#list()
      case '{':
        return this.#inlineTable()
      case '.':
        return this.#fail("floats must start with a digit, not '.'")
      default:
        return /^[A-Za-z]/.test(this.#peek()) && !/^(?:inf|nan)/.test(this.#text.slice(this.#at, this.#at + 3))
          ? this.#boolean()
          : this.#number()
    }
  }

  #boolean(): boolean {
    const word = this.#match(/[A-Za-z]+/y)!
    if (word !== 'true' && word !== 'false') this.#fail(`expected value but found ${quote(word)} instead`)
    return word === 'true'
  }

  #list(): GoValue {
    this.#at++
    const items: GoValue[] = []
    for (this.#blank(true); this.#peek() !== ']'; this.#blank(true)) {
      items.push(this.#value())
      this.#blank(true)
      if (this.#match(/,/y) === undefined && this.#peek() !== ']')
        this.#fail(`expected a comma (',') or array terminator (']'), but got ${shown(this.#peek())}`)
    }
    this.#at++
    this.#closed.add(items)
    return items
  }

  #inlineTable(): GoMap {
    this.#at++
    const table: GoMap = {}
    this.#blank(false)
    while (this.#peek() !== '}') {
      this.#pair(table)
      this.#blank(false)
      if (this.#match(/,/y) === undefined && this.#peek() !== '}')
        this.#fail(`expected a comma or an inline table terminator '}', but got ${shown(this.#peek())} instead`)
      this.#blank(false)
    }
    this.#at++
    this.#closed.add(table)
    return table
  }

  #number(): GoValue {
    const date = this.#match(
      /\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:[Zz]|[-+]\d{2}:\d{2})?)?|\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?/y,
    )
    if (date !== undefined) return this.#time(date)
    const text = this.#match(/[-+]?[0-9A-Za-z_.+-]+/y)
    if (text === undefined) this.#fail(`expected value but found ${shown(this.#peek())} instead`)
    if (/^[-+]?(?:inf|nan)$/.test(text)) return parseFloatText(text.replace(/^\+|^-(?=nan)/, '')) ?? Number.NaN
    if (/^[-+]?0[\d_]/.test(text))
      this.#fail(`Invalid ${/[.eE]/.test(text) ? 'float' : 'integer'} ${quote(text)}: cannot have leading zeroes`)
    const integer = parseIntegerText(text)
    if (integer !== undefined && BigInt.asIntN(64, integer) !== integer) this.#fail(`${text} is out of range for int64`)
    if (integer !== undefined) return new GoInteger(types.int64, integer)
    if (/^[-+]?[\d_]+\.(?:[eE_]|$)/.test(text))
      this.#fail(`Invalid float ${quote(text)}: '.' must be followed by one or more digits`)
    const float = /^[-+]?\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][-+]?\d[\d_]*)?$/.test(text)
      ? parseFloatText(text.replaceAll('_', ''))
      : undefined
    return float ?? this.#fail(`Invalid number: ${quote(text)}`)
  }

  #time(text: string): GoValue {
    const padded = text.replace(/^(\d{4}-\d{2}-\d{2})[Tt ]/, '$1T').replace('z', 'Z')
    const layouts = ['2006-01-02T15:04:05Z07:00', '2006-01-02T15:04:05', '2006-01-02', '15:04:05']
    for (const layout of layouts)
      try {
        return goTime(parseInstant(layout, padded, utc))
      } catch (error) {
        if (!(error instanceof GoError)) throw error
      }
    return this.#fail(`Invalid TOML Datetime: ${quote(text)}.`)
  }

  #string(): string {
    const mark = this.#peek()
    const long = mark.repeat(3)
    if (this.#text.startsWith(long, this.#at)) return this.#longString(mark, long)
    this.#at++
    let out = ''
    for (let char = this.#peek(); char !== mark; char = this.#peek()) {
      if (char === '' || char === '\n') this.#fail('strings cannot contain newlines')
      if (char === '\\' && mark === '"') out += this.#escape()
      else {
        out += char
        this.#at++
      }
    }
    this.#at++
    return out
  }

  #longString(mark: string, long: string): string {
    this.#at += 3
    this.#match(/\n/y)
    let out = ''
    while (!this.#text.startsWith(long, this.#at)) {
      if (this.#at >= this.#text.length) this.#fail(`unexpected EOF; expected '${long}'`)
      if (mark === '"' && this.#match(/\\[ \t]*\n[ \t\n]*/y) !== undefined) continue
      if (mark === '"' && this.#peek() === '\\') out += this.#escape()
      else out += this.#text[this.#at++]
    }
    this.#at += 3
    while (this.#peek() === mark) out += this.#text[this.#at++]
    return out
  }

  #escape(): string {
    const simple = this.#match(/\\["\\bfnrte]/y)
    if (simple !== undefined)
      return { '"': '"', '\\': '\\', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', e: '\x1b' }[simple[1] as 'b']
    const code = this.#match(/\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}/y)
    if (code === undefined)
      this.#fail(
        `invalid escape character ${shown(this.#text[this.#at + 1] ?? '')}; only the following escape characters are allowed: \\b, \\t, \\n, \\f, \\r, \\", \\\\, \\uXXXX, and \\UXXXXXXXX`,
      )
    const point = Number.parseInt(code.slice(2), 16)
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
      this.#fail(`Escaped character '${code}' is not valid UTF-8.`)
    return String.fromCodePoint(point)
  }
}

function shown(char: string): string {
  return char === '' ? 'EOF' : quoteRune(char.codePointAt(0)!)
}
