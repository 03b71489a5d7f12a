/** Names of properties as expressions write them: what is no identifier is escaped (apiserver pkg/cel/escaping.go). */

const keywords = new Set([
  ...['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import'],
  ...['let', 'loop', 'package', 'namespace', 'return'],
])
const identifier = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** undefined for a name that no expression can write. */
export function escapeName(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`
  const escaped = name
    .replace(/__/g, '__underscores__')
    .replace(/\./g, '__dot__')
    .replace(/-/g, '__dash__')
    .replace(/\//g, '__slash__')
  return identifier.test(escaped) && !/^\d/.test(name) ? escaped : undefined
}
