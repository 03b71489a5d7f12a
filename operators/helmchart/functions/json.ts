/** encoding/json: what Go writes, and its complaints about what it reads. */
import { compareText } from '../template/bytes.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import {
  GoInteger,
  type GoMap,
  GoStruct,
  type GoValue,
  isMap,
  isNilContainer,
  nilSlice,
  typed,
  types,
} from '../template/values.ts'
import { parseJson } from './json-reader.ts'

const toPrettyJson = goFunction('any -> string', (value: GoValue) => indented(value))
const toRawJson = goFunction('any -> string', (value: GoValue) => encodeJson(value, { html: false }))
const toJson = goFunction('any -> string', (value: GoValue) => {
  try {
    return encodeJson(value)
  } catch (error) {
    if (error instanceof GoError) return ''
    throw error
  }
})

export const jsonFunctions: FunctionTable = {
  toJson,
  mustToJson: goFunction('any -> string', (value: GoValue) => encodeJson(value)),
  toPrettyJson: goFunction('any -> string', (value: GoValue) => {
    try {
      return indented(value)
    } catch (error) {
      if (error instanceof GoError) return ''
      throw error
    }
  }),
  mustToPrettyJson: toPrettyJson,
  toRawJson,
  mustToRawJson: toRawJson,
  fromJson: goFunction('string -> dict', (text: string) =>
    decodeInto(text, 'map[string]interface {}', error => ({ Error: error })),
  ),
  fromJsonArray: goFunction('string -> list', (text: string) => decodeInto(text, '[]interface {}', error => [error])),
  mustFromJson: goFunction('string -> any', (text: string) => parseJson(text)),
}

/** json.Unmarshal into a map or a list; errors become the value, as Helm has it. */
function decodeInto(text: string, type: string, onError: (message: string) => GoValue): GoValue {
  const wantsList = type.startsWith('[]')
  try {
    const value = parseJson(text)
    if (value === null) return wantsList ? nilSlice() : typed({}, types.dict, { nil: true })
    if (wantsList ? Array.isArray(value) : isMap(value)) return value
    throw new GoError(`json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`)
  } catch (error) {
    if (error instanceof GoError) return onError(error.message)
    throw error
  }
}

export function jsonKind(value: GoValue): string {
  if (Array.isArray(value)) return 'array'
  return { string: 'string', number: 'number', boolean: 'bool', object: 'object' }[typeof value as 'string']
}

export interface JsonOptions {
  /** How many maps and lists the value is in. */
  readonly depth?: number
  /** Escape <, > and &; the default. */
  readonly html?: boolean
}

/** json.Marshal. Throws GoError for what JSON has no form for. */
export function encodeJson(value: GoValue, options: JsonOptions = {}): string {
  switch (typeof value) {
    case 'string':
      return quoteJson(value, options.html !== false)
    case 'number':
      if (!Number.isFinite(value)) throw new GoError(`json: unsupported value: ${nonFinite(value)}`)
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object':
      return value === null ? 'null' : encodeObject(value, { ...options, depth: checkedDepth(options.depth ?? 0) })
    default:
      return 'null'
  }
}

const deepest = 1000

/** The depth below; Go takes a value that is nested deeper than this for one that contains itself. */
export function checkedDepth(depth: number): number {
  if (depth >= deepest) throw new GoError('json: unsupported value: encountered a cycle via map[string]interface {}')
  return depth + 1
}

function nonFinite(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
}

function encodeObject(value: object, options: JsonOptions): string {
  if (value instanceof GoInteger) return String(value.value)
  if (value instanceof GoStruct) return encodeStruct(value, options)
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`
  if (isNilContainer(value)) return 'null'
  if (Array.isArray(value)) return `[${value.map(item => encodeJson(item, options)).join(',')}]`
  const map = value as GoMap
  return encodeEntries(Object.keys(map).sort(compareText), map, options)
}

function encodeStruct(value: GoStruct, options: JsonOptions): string {
  return value.json
    ? encodeJson(value.json(), options)
    : encodeEntries(Object.keys(value.fields), value.fields, options)
}

function encodeEntries(
  keys: readonly string[],
  map: { readonly [key: string]: GoValue },
  options: JsonOptions,
): string {
  const html = options.html !== false
  return `{${keys.map(key => `${quoteJson(key, html)}:${encodeJson(map[key], options)}`).join(',')}}`
}

const named: { readonly [char: string]: string } = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

// Whole characters first, so that only halves of one are left over for the last class.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
const withHtml = /["\\<>&\0-\x1f\u2028\u2029]|[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
const withoutHtml = /["\\\0-\x1f\u2028\u2029]|[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g

function quoteJson(text: string, html: boolean): string {
  return `"${text.replace(html ? withHtml : withoutHtml, escapeJson)}"`
}

function escapeJson(char: string): string {
  if (char.length === 2) return char
  if (named[char]) return named[char]
  const code = char.charCodeAt(0)
  return code >= 0xd800 && code < 0xe000 ? '\\ufffd' : `\\u${code.toString(16).padStart(4, '0')}`
}

/** json.MarshalIndent with two spaces. */
function indented(value: GoValue, margin = '\n'): string {
  checkedDepth(margin.length / 2)
  const inner = `${margin}  `
  if (typeof value === 'object' && value !== null && !(value instanceof GoInteger) && !(value instanceof Uint8Array)) {
    if (value instanceof GoStruct && value.json) return indented(value.json(), margin)
    if (isNilContainer(value)) return 'null'
    if (Array.isArray(value)) {
      const items = value.map(item => inner + indented(item, inner))
      return items.length === 0 ? '[]' : `[${items.join(',')}${margin}]`
    }
    const fields = value instanceof GoStruct ? value.fields : (value as GoMap)
    const keys = value instanceof GoStruct ? Object.keys(fields) : Object.keys(fields).sort(compareText)
    const entries = keys.map(key => `${inner}${quoteJson(key, true)}: ${indented(fields[key], inner)}`)
    return entries.length === 0 ? '{}' : `{${entries.join(',')}${margin}}`
  }
  return encodeJson(value)
}
