/** A deep, mutable copy of plain JSON; fields that are undefined are left out. Several times faster than structuredClone. */
import type { Mutable } from '../kinds/kind.ts'

export function copyOf(object: object): Mutable {
  return copy(object) as Mutable
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copy)
  const result: { [key: string]: unknown } = {}
  const source = value as { readonly [key: string]: unknown }
  for (const key of Object.keys(source)) {
    const child = source[key]
    if (child === undefined) continue
    if (key === '__proto__')
      Object.defineProperty(result, key, { value: copy(child), enumerable: true, writable: true })
    else result[key] = copy(child)
  }
  return result
}
