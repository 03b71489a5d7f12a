/** Path elements of field sets: how list items are named, and how paths read in messages. */
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../json.ts'
import { TypedError } from './shape.ts'

export const fieldElement = (name: string) => `f:${name}`

/** The element of an item of a set or keyed list. Throws TypedError when the item cannot be named. */
export function itemElement(list: Schema, item: unknown): string {
  if (list.listType === 'map') return `k:${JSON.stringify(keysOf(list, item))}`
  if (typeof item === 'object')
    throw new TypedError('', 'associative list without keys has an element that is no scalar')
  return `v:${JSON.stringify(item)}`
}

function keysOf(list: Schema, item: unknown): { [key: string]: unknown } {
  if (!isObject(item)) throw new TypedError('', 'associative list with keys may not have non-map elements')
  const names = sortedKeys(list)
  const keys: { [key: string]: unknown } = {}
  for (const name of names) {
    const value = item[name] ?? list.items?.properties?.[name]?.default
    if (value !== undefined) keys[name] = value
  }
  for (const _ in keys) return keys
  const missing = JSON.stringify(names[0])
  const rule = "(and doesn't have default value)"
  throw new TypedError('', `associative list with keys has an element that omits key field ${missing} ${rule}`)
}

const keyCache = new WeakMap<Schema, readonly string[]>()

function sortedKeys(list: Schema): readonly string[] {
  let keys = keyCache.get(list)
  if (keys === undefined) {
    keys = (list.listMapKeys ?? []).toSorted()
    keyCache.set(list, keys)
  }
  return keys
}

/** Whether two items of a list go by the same name; cheaper than comparing elements. */
export function sameItem(list: Schema, a: unknown, b: unknown): boolean {
  if (list.listType !== 'map') return a === b
  if (!isObject(a) || !isObject(b)) return false
  for (const key of sortedKeys(list)) if (a[key] !== b[key]) return false
  return true
}

/** ".spec.containers[name=\"a\"].image" */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('')
}

export function elementText(element: string): string {
  const rest = element.slice(2)
  switch (element[0]) {
    case 'k': {
      const keys = Object.entries(JSON.parse(rest) as object)
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
    }
    case 'v':
      return `[=${rest}]`
    case 'i':
      return `[${rest}]`
    default:
      return `.${rest}`
  }
}
