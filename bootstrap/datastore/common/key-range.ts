import type { Key } from '../datastore.ts'

/** The keys that start with `prefix`: from the prefix itself (inclusive) to the answer's end (exclusive). */
export function rangeOf(prefix: string): { readonly start: Key; readonly end: Key } {
  const last = prefix.at(-1)
  const end = last === undefined ? '\u{10ffff}' : prefix.slice(0, -1) + String.fromCodePoint(last.codePointAt(0)! + 1)
  return { start: prefix, end }
}

/** The smallest key greater than `key`. */
export function keyAfter(key: Key): Key {
  return `${key}\0`
}
