/** Regular expressions of schemas, in Go's syntax. */
import { RE2JS } from 're2js'

export interface SchemaPattern {
  /** Whether the pattern matches anywhere in the text. */
  test(text: string): boolean
}

const compiled = new Map<string, SchemaPattern>()

/** Throws Error with Go's message when the pattern does not compile. */
export function schemaPattern(source: string): SchemaPattern {
  const known = compiled.get(source)
  if (known) return known
  const expression = RE2JS.compile(source)
  const pattern = { test: (text: string) => expression.matcher(text).find() }
  if (compiled.size > 1000) compiled.clear()
  compiled.set(source, pattern)
  return pattern
}
