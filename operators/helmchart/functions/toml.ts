/** Helm's TOML functions: what BurntSushi/toml writes. */
import { compareText } from '../template/bytes.ts'
import { formatFloat } from '../template/floats.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoInteger, GoStruct, type GoValue, isMap, isNilContainer } from '../template/values.ts'
import { parseToml } from './toml-reader.ts'

export const tomlFunctions: FunctionTable = {
  toToml: goFunction('any -> string', (value: GoValue) => {
    // A panic upstream, unlike the errors that become the result.
    if (value === null) throw new GoError('reflect: call of reflect.Value.Type on zero Value')
    return orMessage(() => writeToml(value))
  }),
  fromToml: goFunction('string -> dict', (text: string) => {
    try {
      return parseToml(text)
    } catch (error) {
      if (error instanceof GoError) return { Error: error.message }
      throw error
    }
  }),
}

function orMessage(write: () => string): string {
  try {
    return write()
  } catch (error) {
    if (error instanceof GoError) return error.message
    throw error
  }
}

/** What a value is in TOML. */
type Shape = 'value' | 'list' | 'table' | 'tables' | undefined

function shapeOf(value: GoValue): Shape {
  if (value === null || value === undefined) return undefined
  if (typeof value !== 'object' || value instanceof GoInteger) return 'value'
  if (value instanceof GoStruct) return value.json ? 'value' : 'table'
  if (isNilContainer(value)) return undefined
  if (Array.isArray(value)) return isTables(value) ? 'tables' : 'list'
  return isMap(value) ? 'table' : 'list'
}

function isTables(list: readonly GoValue[]): boolean {
  const shapes = list.map(shapeOf)
  if (shapes.includes(undefined)) throw new GoError('toml: cannot encode array with nil element')
  return list.length > 0 && shapes.every(shape => shape === 'table')
}

function writeToml(value: GoValue): string {
  const writer = new Writer()
  writer.encode([], value)
  return writer.out
}

class Writer {
  out = ''

  encode(key: readonly string[], value: GoValue): void {
    switch (shapeOf(value)) {
      case undefined:
        return
      case 'table':
        this.#table(key, value)
        break
      case 'tables':
        this.#tables(key, value as readonly GoValue[])
        break
      default:
        this.#pair(key, value)
    }
  }

  #newLine(): void {
    if (this.out !== '') this.out += '\n'
  }

  #table(key: readonly string[], value: GoValue): void {
    if (key.length === 1) this.#newLine()
    if (key.length > 0) {
      this.out += `${indent(key)}[${keyText(key)}]`
      this.#newLine()
    }
    this.#entries(key, value)
  }

  #tables(key: readonly string[], list: readonly GoValue[]): void {
    if (key.length === 0) throw new GoError('toml: top-level values must be Go maps or structs')
    for (const item of list) {
      this.#newLine()
      this.out += `${indent(key)}[[${keyText(key)}]]`
      this.#newLine()
      this.#entries(key, item)
    }
  }

  /** Simple values first, tables after them. */
  #entries(key: readonly string[], value: GoValue): void {
    const entries = entriesOf(value)
    for (const tables of [false, true])
      for (const [name, item] of entries) if (isTable(item) === tables) this.encode([...key, name], item)
  }

  #pair(key: readonly string[], value: GoValue): void {
    if (key.length === 0) {
      this.out += element(value)
      return
    }
    this.out += `${indent(key)}${keyText(key.slice(-1))} = ${element(value)}`
    this.#newLine()
  }
}

function isTable(value: GoValue): boolean {
  const shape = shapeOf(value)
  return shape === 'table' || shape === 'tables'
}

function entriesOf(value: GoValue): (readonly [string, GoValue])[] {
  if (value instanceof GoStruct) return Object.entries(value.fields)
  return Object.entries(value as object).sort(([left], [right]) => compareText(left, right))
}

function indent(key: readonly string[]): string {
  return '  '.repeat(key.length - 1)
}

function keyText(key: readonly string[]): string {
  return key.map(part => (/^[A-Za-z0-9_-]+$/.test(part) ? part : quoteToml(part))).join('.')
}

function element(value: GoValue): string {
  switch (typeof value) {
    case 'string':
      return quoteToml(value)
    case 'number':
      return float(value)
    case 'boolean':
    case 'bigint':
      return String(value)
    default:
      return elementOfObject(value as object)
  }
}

function elementOfObject(value: object): string {
  if (value instanceof GoInteger)
    return value.type.name === 'time.Duration' ? quoteToml(value.text!()) : String(value.value)
  if (value instanceof GoStruct && value.json) {
    const text = String(value.json())
    return value.type.name === 'time.Time' ? text : quoteToml(text)
  }
  if (Array.isArray(value)) return `[${value.map(element).join(', ')}]`
  if (value instanceof Uint8Array) return `[${[...value].join(', ')}]`
  const entries = entriesOf(value)
  const direct = entries.filter(([, item]) => !isTable(item))
  const all = [...direct, ...entries.filter(([, item]) => isTable(item))]
  const shown = all.map(([name, item], index) =>
    shapeOf(item) === undefined ? '' : `${keyText([name])} = ${element(item)}${index < all.length - 1 ? ', ' : ''}`,
  )
  return `{${shown.join('')}}`
}

function float(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const text = formatFloat(value, 'g', -1)
  return /[e.]/.test(text) ? text : `${text}.0`
}

const escapes: { readonly [char: string]: string } = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
}

function quoteToml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  const special = /["\\\0-\x1f\x7f]/g
  const escaped = text.replace(
    special,
    char => escapes[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${escaped}"`
}
