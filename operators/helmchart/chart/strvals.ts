/** Helm's `--set` language: `a.b[0].c=1,list={x,y},text=a\,b`, and its kin --set-string, --set-json and --set-literal. */

import { quoteRune } from '../template/quote.ts'
import { isObject } from './decode.ts'
import { JsonReader } from './json-prefix.ts'
import type { Json, Table } from './tables.ts'

/** How a value's text becomes a value; rejects texts by throwing Error. */
type ReadValue = (text: string) => Json

const highestIndex = 65536
const deepestName = 30

/** `--set`: true, false, null and integers are what they look like, all else is text. Changes `into`. Throws Error. */
export function setValues(text: string, into: Table): void {
  new Parser(text, { escapes: true, separators: ',', read: typedValue }).parseInto(into)
}

/** `--set-string`: every value is text. */
export function setStrings(text: string, into: Table): void {
  new Parser(text, { escapes: true, separators: ',', read: value => value }).parseInto(into)
}

/** `--set-file`: every value is the name of a file, whose content is set. */
export function setFiles(text: string, into: Table, readFile: (path: string) => string): void {
  new Parser(text, { escapes: true, separators: ',', read: readFile }).parseInto(into)
}

/** `--set-json`, in its form `key=JSON,key=JSON`. */
export function setJson(text: string, into: Table): void {
  new Parser(text, { escapes: true, separators: ',', read: 'json' }).parseInto(into)
}

/** `--set-literal`: one name, and all behind "=" is its text. */
export function setLiteral(text: string, into: Table): void {
  new Parser(text, { escapes: false, separators: '', read: value => value }).parseInto(into)
}

interface Language {
  /** A backslash takes away the meaning of the next character. */
  readonly escapes: boolean
  readonly separators: '' | ','
  readonly read: ReadValue | 'json'
}

/** What stopped a read: a character, or the end of the text. */
type Stop = string | undefined
/** Whether there may be more to parse. */
type Progress = 'more' | 'end'

class Parser {
  readonly #runes: readonly string[]
  readonly #language: Language
  #at = 0

  constructor(text: string, language: Language) {
    this.#runes = [...text]
    this.#language = language
  }

  parseInto(data: Table): void {
    while (this.#key(data, 0) === 'more');
  }

  #key(data: Table, level: number): Progress {
    const [key, stop] = this.#until(`=[.${this.#language.separators}`)
    switch (stop) {
      case undefined:
        if (key === '') return 'end'
        throw new Error(`key ${JSON.stringify(key)} has no value`)
      case '[':
        return this.#indexed(data, key, level)
      case '=':
        return this.#assign(data, key)
      case '.':
        return this.#nested(data, key, level + 1)
      default:
        throw new Error(`key ${JSON.stringify(key)} has no value (cannot end with ,)`)
    }
  }

  #indexed(data: Table, key: string, level: number): Progress {
    const index = this.#index()
    if (index === undefined) return 'end'
    const existing = Object.hasOwn(data, key) ? data[key] : []
    if (!Array.isArray(existing)) throw conversion(existing, '[]interface {}')
    const { list, progress } = this.#item([...existing], index, level)
    set(data, key, list)
    return progress
  }

  #assign(data: Table, key: string): Progress {
    if (this.#language.read !== 'json' && this.#at === this.#runes.length) {
      set(data, key, '')
      return this.#language.escapes ? 'end' : 'more'
    }
    set(data, key, this.#value())
    return 'more'
  }

  #nested(data: Table, key: string, level: number): Progress {
    if (level > deepestName)
      throw new Error(`value name nested level is greater than maximum supported nested level of ${deepestName}`)
    const inner = Object.hasOwn(data, key) ? data[key] : {}
    if (!isObject(inner)) throw conversion(inner, 'map[string]interface {}')
    const progress = this.#key(inner as Table, level)
    const empty = Object.keys(inner).length === 0
    if (progress === 'more' && empty) throw new Error(`key map ${JSON.stringify(key)} has no value`)
    if (!empty) set(data, key, inner as Table)
    return progress
  }

  /** What follows "name[index]". */
  #item(list: Json[], index: number, level: number): { list: Json[]; progress: Progress } {
    if (index < 0) throw new Error(`negative ${index} index not allowed`)
    const [rest, stop] = this.#until('[.=')
    if (rest !== '')
      throw new Error(
        `unexpected data at end of array index: [${[...rest].map(rune => quoteRune(rune.codePointAt(0)!)).join(' ')}]`,
      )
    switch (stop) {
      case undefined:
        return { list, progress: 'end' }
      case '=': {
        const atEnd = this.#language.read !== 'json' && this.#at === this.#runes.length
        return { list: setIndex(list, index, atEnd ? '' : this.#value()), progress: 'more' }
      }
      case '[': {
        const next = this.#index()
        if (next === undefined) return { list, progress: 'end' }
        const existing = list[index] ?? []
        if (!Array.isArray(existing)) throw conversion(existing, '[]interface {}')
        const inner = this.#item([...existing], next, level)
        return inner.progress === 'end'
          ? { list, progress: 'end' }
          : { list: setIndex(list, index, inner.list), progress: 'more' }
      }
      default: {
        const existing = list[index]
        const inner = isObject(existing) ? (existing as Table) : {}
        const progress = this.#key(inner, level)
        return { list: progress === 'end' ? list : setIndex(list, index, inner), progress }
      }
    }
  }

  #value(): Json {
    const { read, separators } = this.#language
    if (read === 'json') return this.#json()
    if (separators === ',' && this.#runes[this.#at] === '{') return this.#list(read)
    return read(this.#until(separators)[0])
  }

  /** `{a,b}`, and the comma behind it. */
  #list(read: ReadValue): Json[] {
    const list: Json[] = []
    this.#at++
    for (;;) {
      const [text, stop] = this.#until(',}')
      if (stop === undefined) throw new Error("list must terminate with '}'")
      list.push(read(text))
      if (stop === ',') continue
      if (this.#runes[this.#at] === ',') this.#at++
      return list
    }
  }

  #json(): Json {
    if (this.#skipBlank()) return null
    const reader = new JsonReader(this.#runes.slice(this.#at).join(''))
    const value = reader.value
    this.#at += [...reader.text].length
    this.#skipBlank()
    return value
  }

  /** Passes white space; true when a comma or the end was met, and passed too. */
  #skipBlank(): boolean {
    for (;;) {
      const rune = this.#runes[this.#at]
      if (rune === undefined) return true
      if (rune !== ',' && !/\p{White_Space}/u.test(rune)) return false
      this.#at++
      if (rune === ',') return true
    }
  }

  /** Nothing where the text ends before the bracket does: Helm lets that pass. */
  #index(): number | undefined {
    const [text, stop] = this.#until(']')
    if (stop === undefined) return undefined
    const index = integer(text)
    if (index === undefined)
      throw new Error(`error parsing index: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
    return Number(index)
  }

  #until(stops: string): [string, Stop] {
    let text = ''
    while (this.#at < this.#runes.length) {
      const rune = this.#runes[this.#at++]!
      if (stops !== '' && stops.includes(rune)) return [text, rune]
      if (rune === '\\' && this.#language.escapes) {
        const next = this.#runes[this.#at++]
        if (next !== undefined) text += next
      } else text += rune
    }
    return [text, undefined]
  }
}

/** A name may be empty, as in "=x"; nothing is set then. */
function set(data: Table, key: string, value: Json): void {
  if (key !== '') Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
}

function setIndex(list: readonly Json[], index: number, value: Json): Json[] {
  if (index > highestIndex)
    throw new Error(`index of ${index} is greater than maximum supported index of ${highestIndex}`)
  const longer = Array.from({ length: Math.max(list.length, index + 1) }, (_, at) => list[at] ?? null)
  longer[index] = value
  return longer
}

function typedValue(text: string): Json {
  if (/^true$/i.test(text)) return true
  if (/^false$/i.test(text)) return false
  if (/^null$/i.test(text)) return null
  if (text === '0') return 0n
  return text.startsWith('0') ? text : (integer(text) ?? text)
}

/** A decimal int64. */
function integer(text: string): bigint | undefined {
  if (!/^[-+]?[0-9]+$/.test(text)) return undefined
  const value = BigInt(text.replace('+', ''))
  return BigInt.asIntN(64, value) === value ? value : undefined
}

function conversion(value: unknown, wanted: string): Error {
  return new Error(`unable to parse key: interface conversion: interface {} is ${goTypeName(value)}, not ${wanted}`)
}

/** What Go's %T prints for a value of a chart. */
export function goTypeName(value: unknown): string {
  if (value === null || value === undefined) return 'nil'
  if (Array.isArray(value)) return '[]interface {}'
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'number':
      return 'float64'
    case 'bigint':
      return 'int64'
    case 'string':
      return 'string'
    default:
      return 'map[string]interface {}'
  }
}
