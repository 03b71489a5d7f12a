/** The user's values: values files and the --set family merged in Helm's order. */

import { readYaml } from '../yaml/unmarshal.ts'
import type { JsonObject } from './chart.ts'
import { jsonType } from './decode.ts'
import { setFiles, setJson, setLiteral, setStrings, setValues } from './strvals.ts'
import { isTable, mergeMaps, type Table } from './tables.ts'

/** What a user gives; each list in its order. */
export interface UserValues {
  /** Texts of values files, with names for messages. */
  readonly files?: readonly { readonly name: string; readonly text: string }[]
  readonly setJson?: readonly string[]
  readonly set?: readonly string[]
  readonly setString?: readonly string[]
  /** `key=path`; `readFile` gives the content. */
  readonly setFile?: readonly string[]
  readonly setLiteral?: readonly string[]
}

/**
 * The values of an installation: files first, each over the one before, then --set-json, --set, --set-string, --set-file and
 * --set-literal. A null stays: it deletes the chart's default when values are coalesced. Throws Error in Helm's words.
 */
export function userValues(given: UserValues, readFile: (path: string) => string = refuseFile): JsonObject {
  let values: Table = {}
  for (const { name, text } of given.files ?? [])
    values = mergeMaps(
      values,
      explaining(`failed to parse ${name}: `, () => parseValues(text)),
    )
  for (const text of given.setJson ?? []) values = mergeJson(values, text)
  const apply = (flag: string, texts: readonly string[] = [], set: (text: string, into: Table) => void) => {
    for (const text of texts) explaining(`failed parsing --${flag} data: `, () => set(text, values))
  }
  apply('set', given.set, setValues)
  apply('set-string', given.setString, setStrings)
  apply('set-file', given.setFile, (text, into) => setFiles(text, into, readFile))
  apply('set-literal', given.setLiteral, setLiteral)
  return values
}

/** A whole object, or `key=JSON`. */
function mergeJson(values: Table, text: string): Table {
  const isObject = text.trim().startsWith('{')
  try {
    if (isObject) return mergeMaps(values, JSON.parse(text) as Table)
    setJson(text, values)
    return values
  } catch (error) {
    throw new Error(`failed parsing --set-json data ${isObject ? 'JSON: ' : ''}${text}`, { cause: error })
  }
}

/** A values file. Further documents in it are merged over the first. Throws Error. */
export function parseValues(text: string): Table {
  let values: Table = {}
  for (const document of text.split(/^---[ \t]*\r?$/m)) {
    const value = explaining('cannot unmarshal yaml document: ', () => parseDocument(document))
    values = mergeMaps(values, value)
  }
  return values
}

function parseDocument(text: string): Table {
  const value = readYaml(text) ?? {}
  if (isTable(value)) return value
  throw new Error(
    `error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${jsonType(value)} into Go value of type map[string]interface {}`,
  )
}

/** JSON text of something with values in it, integers of --set included. */
export function stringifyValues(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? rawJson(item.toString()) : item))
}

/** JSON.rawJSON, which TypeScript's library does not declare yet. */
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON

function explaining<T>(prefix: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new Error(prefix + (error as Error).message, { cause: error })
  }
}

function refuseFile(path: string): never {
  throw new Error(`open ${path}: no such file or directory`)
}
