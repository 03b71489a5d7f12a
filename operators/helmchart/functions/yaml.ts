/** Helm's YAML functions: what sigs.k8s.io/yaml writes and reads. */
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoInteger, GoStruct, type GoValue, isMap, isNilContainer } from '../template/values.ts'
import { resolvePlain } from '../yaml/scalars.ts'
import { readYaml } from '../yaml/unmarshal.ts'
import { kubernetesStyle, PlainScalar, prettyStyle, writeYaml, type YamlValue } from '../yaml/writer.ts'
import { checkedDepth, encodeJson, jsonKind } from './json.ts'

export const yamlFunctions: FunctionTable = {
  toYaml: goFunction('any -> string', (value: GoValue) => orEmpty(() => toYaml(value))),
  mustToYaml: goFunction('any -> string', toYaml),
  toYamlPretty: goFunction('any -> string', (value: GoValue) =>
    orEmpty(() => trimmed(writeYaml(prettyValue(value), prettyStyle))),
  ),
  fromYaml: goFunction('string -> dict', (text: string) => {
    try {
      return decodeAs(text, false)
    } catch (error) {
      return { Error: messageOf(error) }
    }
  }),
  fromYamlArray: goFunction('string -> list', (text: string) => {
    try {
      return decodeAs(text, true)
    } catch (error) {
      return [messageOf(error)]
    }
  }),
}

function orEmpty(write: () => string): string {
  try {
    return write()
  } catch (error) {
    if (error instanceof GoError) return ''
    throw error
  }
}

function trimmed(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text
}

/** sigs.k8s.io/yaml's Marshal without the last line break. Throws GoError for what JSON has no form for. */
export function toYaml(value: GoValue): string {
  return trimmed(writeYaml(jsonValue(value), kubernetesStyle))
}

const forbidden = /[\x7f-\x84\x86-\x9f\ufffe\uffff]/

function yamlText(text: string): string {
  if (forbidden.test(text)) throw new GoError('yaml: control characters are not allowed')
  return text.toWellFormed().replaceAll('\x85', ' ')
}

/** Keys of the JSON that upstream reads back must stand on one line and within 1024 characters. */
function yamlKey(key: string): string {
  if (key.includes('\x85') || [...encodeJson(key)].length > 1024) throw new GoError("yaml: could not find expected ':'")
  return yamlText(key)
}

/** The value after a detour over JSON, as upstream takes it. */
function jsonValue(value: GoValue, depth = 0): YamlValue {
  switch (typeof value) {
    case 'string':
      return yamlText(value)
    case 'number':
      return resolvePlain(encodeJson(value)) as YamlValue
    case 'boolean':
    case 'bigint':
      return value
    case 'object':
      return value === null ? null : jsonObject(value, checkedDepth(depth))
    default:
      return null
  }
}

function jsonObject(value: object, depth: number): YamlValue {
  const inner = (item: GoValue): YamlValue => jsonValue(item, depth)
  if (value instanceof GoInteger) return value.value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof GoStruct) return value.json ? inner(value.json()) : mapped(value.fields, inner)
  if (isNilContainer(value)) return null
  return Array.isArray(value) ? value.map(inner) : mapped(value as { [key: string]: GoValue }, inner)
}

function mapped(
  map: { readonly [key: string]: GoValue },
  convert: (value: GoValue) => YamlValue,
  rename = yamlKey,
): { [key: string]: YamlValue } {
  const result: { [key: string]: YamlValue } = Object.create(null)
  for (const key of Object.keys(map)) result[rename(key)] = convert(map[key])
  return result
}

/** toYamlPretty writes Go values as they are: floats keep their exponent, bytes are a list. */
function prettyValue(value: GoValue): YamlValue {
  if (value === null || value === undefined) return null
  if (typeof value !== 'object') return value as YamlValue
  if (value instanceof GoInteger) return value.type.name === 'time.Duration' ? value.text!() : value.value
  if (value instanceof Uint8Array) return Array.from(value, BigInt)
  if (value instanceof GoStruct && value.type.name === 'time.Time') return new PlainScalar(String(value.json!()))
  if (value instanceof GoStruct)
    return value.json ? prettyValue(value.json()) : mapped(value.fields, prettyValue, name => name.toLowerCase())
  return Array.isArray(value)
    ? value.map(prettyValue)
    : mapped(value as { [key: string]: GoValue }, prettyValue, key => key)
}

/** Throws Error with upstream's message. */
function decodeAs(text: string, wantsList: boolean): GoValue {
  const value = readYaml(text) ?? null
  if (value === null) return wantsList ? [] : {}
  if (wantsList ? Array.isArray(value) : isMap(value)) return value
  const type = wantsList ? '[]interface {}' : 'map[string]interface {}'
  throw new GoError(
    `error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`,
  )
}

function messageOf(error: unknown): string {
  return (error as Error).message
}
