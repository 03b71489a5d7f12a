/** Small steps that defaulting functions share. An empty string counts as unset, as it does in upstream's types. */

type Fields<T> = { -readonly [K in keyof T]?: T[K] | undefined | null }

/** Sets each field that is absent, null or "". */
export function fill<T extends object>(target: T, values: Fields<NoInfer<T>>): void {
  const fields = target as { [field: string]: unknown }
  for (const [field, value] of Object.entries(values)) {
    const present = fields[field]
    const unset = present === undefined || present === null || present === ''
    if (unset && value !== undefined) fields[field] = value
  }
}

/** Like fill, for numbers whose zero means unset. */
export function fillZero<T extends object>(target: T, values: Fields<NoInfer<T>>): void {
  const fields = target as { [field: string]: unknown }
  for (const [field, value] of Object.entries(values)) if (!fields[field] && value !== undefined) fields[field] = value
}

/** Runs `change` on the value if there is one. */
export function when<T>(value: T | undefined | null, change: (value: T) => void): void {
  if (value !== undefined && value !== null) change(value)
}

/** Deep equality of plain JSON where absent, null and undefined are the same. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a === undefined || a === null || b === undefined || b === null) return (a ?? null) === (b ?? null)
  if (typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => same(item, b[index]))
  }
  const left = a as { [key: string]: unknown }
  const right = b as { [key: string]: unknown }
  for (const key in left) if (!same(left[key], right[key])) return false
  for (const key in right) if (!(key in left) && (right[key] ?? null) !== null) return false
  return true
}
