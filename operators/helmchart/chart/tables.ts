/** Maps of values ("tables" in Helm's words) that are being put together. */
import type { JsonValue } from './chart.ts'

/** A value under construction: what JsonValue is, changeable. */
export type Json = null | boolean | number | bigint | string | Json[] | Table
export interface Table {
  [key: string]: Json
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A deep copy; a value that is not there is an empty table. */
export function copyTable(table: { readonly [key: string]: JsonValue } | undefined): Table {
  return copy(table ?? {}) as Table
}

export function copy(value: JsonValue | Json): Json {
  if (Array.isArray(value)) return value.map(copy)
  if (!isTable(value)) return value as Json
  const result: Table = {}
  for (const key of Object.keys(value)) put(result, key, copy(value[key]!))
  return result
}

/** Assigns; safe for the key "__proto__". */
export function put(table: Table, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(table, key, { value, writable: true, enumerable: true, configurable: true })
  else table[key] = value
}

/** Own value of a key; undefined when there is none. */
export function own(table: Table, key: string): Json | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined
}

/** The table at a dotted path; undefined when there is none or something else stands there. */
export function tableAt(table: Table, path: string): Table | undefined {
  let current: Json | undefined = table
  for (const key of path.split('.')) {
    current = own(current, key)
    if (!isTable(current)) return undefined
  }
  return current
}

/** The value at a dotted path when it is no table. */
export function valueAt(table: Table, path: string): Json | undefined {
  const dot = path.lastIndexOf('.')
  const holder = dot < 0 ? table : tableAt(table, path.slice(0, dot))
  const value = holder && own(holder, path.slice(dot + 1))
  return isTable(value) ? undefined : value
}

/** `under` and `over` merged: tables are merged, all else is replaced, null included. Neither is changed. */
export function mergeMaps(under: Table, over: Table): Table {
  const result: Table = {}
  for (const key of Object.keys(under)) put(result, key, under[key]!)
  for (const key of Object.keys(over)) {
    const [low, high] = [own(result, key), over[key]!]
    put(result, key, isTable(low) && isTable(high) ? mergeMaps(low, high) : high)
  }
  return result
}
