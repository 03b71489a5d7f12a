/** A deep, mutable copy of plain JSON; fields that are undefined are left out. Several times faster than structuredClone. */
import type { Mutable } from '../kinds/kind.ts'

export function copyOf(object: object): Mutable {
  return copyValue(object) as Mutable
}

/** The same of any JSON value. */
export function copyValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyValue)
  const result: { [key: string]: unknown } = {}
  const source = value as { readonly [key: string]: unknown }
  for (const key of Object.keys(source)) {
    const child = source[key]
    if (child === undefined) continue
    if (key === '__proto__')
      Object.defineProperty(result, key, { value: copyValue(child), enumerable: true, writable: true })
    else result[key] = copyValue(child)
  }
  return result
}
