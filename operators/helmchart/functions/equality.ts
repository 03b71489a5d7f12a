/** reflect.DeepEqual. */
import { GoInteger, GoStruct, type GoValue, isMap, isNilContainer, typeOf } from '../template/values.ts'

export function deepEqual(left: GoValue, right: GoValue): boolean {
  if (left === null || left === undefined) return right === null || right === undefined
  if (typeOf(left)?.name !== typeOf(right)?.name) return false
  if (typeof left !== 'object') return left === right
  if (left === right) return true
  return equalObjects(left, right as object)
}

function equalObjects(left: object, right: object): boolean {
  if (left instanceof GoInteger) return left.value === (right as GoInteger).value
  if (left instanceof GoStruct) return equalStructs(left, right as GoStruct)
  if (isNilContainer(left) !== isNilContainer(right)) return false
  if (Array.isArray(left)) return equalLists(left, right as GoValue[])
  if (left instanceof Uint8Array) return Buffer.compare(left, right as Uint8Array) === 0
  return isMap(left) && equalMaps(left, right as { [key: string]: GoValue })
}

function equalStructs(left: GoStruct, right: GoStruct): boolean {
  if (left.text && right.text && left.text() !== right.text()) return false
  return equalMaps({ ...left.fields }, { ...right.fields })
}

function equalLists(left: readonly GoValue[], right: readonly GoValue[]): boolean {
  return left.length === right.length && left.every((item, index) => deepEqual(item, right[index]))
}

function equalMaps(left: { [key: string]: GoValue }, right: { [key: string]: GoValue }): boolean {
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every(key => Object.hasOwn(right, key) && deepEqual(left[key], right[key]))
  )
}
