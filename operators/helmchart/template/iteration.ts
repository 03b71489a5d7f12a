/** What range goes over: lists, maps in the order of their keys, and integers. */
import { compareText } from './bytes.ts'
import { display } from './format.ts'
import { GoInteger, type GoMap, type GoValue, isMap, typeOf, types } from './values.ts'

/** Index or key, element, and whether the element is seen through an interface. */
export type Item = readonly [GoValue, GoValue, boolean]

/** The items of a value for a number of variables; a complaint when there can be none. */
export function itemsOf(value: GoValue, variables: number): Iterable<Item> | string {
  if (value === undefined) return []
  const wrapped = typeOf(value)!.element?.kind === 'interface'
  if (Array.isArray(value)) return listItems(value, wrapped)
  if (value instanceof Uint8Array) return byteItems(value)
  if (isMap(value)) return mapItems(value, wrapped)
  if (typeof value !== 'bigint' && !(value instanceof GoInteger)) return `range can't iterate over ${display(value)}`
  return variables > 1 ? `can't use ${display(value)} to iterate over more than one variable` : integerItems(value)
}

function* listItems(list: readonly GoValue[], wrapped: boolean): Iterable<Item> {
  for (let index = 0; index < list.length; index++) yield [BigInt(index), list[index], wrapped]
}

function* byteItems(bytes: Uint8Array): Iterable<Item> {
  for (const [index, byte] of bytes.entries()) yield [BigInt(index), new GoInteger(types.uint8, BigInt(byte)), false]
}

function* mapItems(map: GoMap, wrapped: boolean): Iterable<Item> {
  // Go collects keys and values before it starts.
  const keys = Object.keys(map).sort(compareText)
  const values = keys.map(key => map[key])
  for (const [index, key] of keys.entries()) yield [key, values[index], wrapped]
}

function* integerItems(count: bigint | GoInteger): Iterable<Item> {
  if (typeof count === 'bigint') for (let index = 0n; index < count; index++) yield [undefined, index, false]
  else for (let index = 0n; index < count.value; index++) yield [undefined, new GoInteger(count.type, index), false]
}
