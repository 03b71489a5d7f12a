/** Whether a value counts as true, as if, and, or, not see it. */
import { annotationOf, GoInteger, GoStruct, type GoValue } from './values.ts'

export function isTrue(value: GoValue): boolean {
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      return value !== ''
    case 'number':
      return value !== 0
    case 'bigint':
      return value !== 0n
    case 'object':
      return value !== null && isTrueObject(value)
    default:
      return false
  }
}

function isTrueObject(value: object): boolean {
  if (value instanceof GoStruct) return true
  if (value instanceof GoInteger) return value.value !== 0n
  return !isEmptyContainer(value)
}

function isEmptyContainer(value: object): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0
  if (annotationOf(value)?.nil) return true
  for (const key in value) if (Object.hasOwn(value, key)) return false
  return true
}
