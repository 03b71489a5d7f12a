/** Go's filepath.Match: `*`, `?`, `[a-z]`, `[^a]` and `\` within one path element. */

/** The pattern as a regular expression over the whole name. Throws Error("syntax error in pattern"). */
export function compilePattern(pattern: string): RegExp {
  const runes = [...pattern]
  let source = ''
  for (let at = 0; at < runes.length; at++) {
    const rune = runes[at]!
    if (rune === '*') source += '[^/]*'
    else if (rune === '?') source += '[^/]'
    else if (rune === '[') {
      const end = classEnd(runes, at)
      source += characterClass(runes.slice(at + 1, end))
      at = end
    } else source += quoted(rune === '\\' ? (runes[++at] ?? malformed()) : rune)
  }
  return new RegExp(`^${source}$`, 'su')
}

/** Index of the bracket that closes the class opened at `start`. */
function classEnd(runes: readonly string[], start: number): number {
  for (let at = start + 1 + (runes[start + 1] === '^' ? 1 : 0), first = true; at < runes.length; at++, first = false) {
    if (runes[at] === ']' && !first) return at
    if (runes[at] === '\\') at++
  }
  return malformed()
}

function characterClass(content: readonly string[]): string {
  const negated = content[0] === '^'
  const members = negated ? content.slice(1) : [...content]
  let source = ''
  while (members.length > 0) {
    const low = member(members)
    if (members[0] === '-') {
      members.shift()
      const high = member(members)
      if (low.codePointAt(0)! <= high.codePointAt(0)!) source += `${quotedMember(low)}-${quotedMember(high)}`
    } else source += quotedMember(low)
  }
  if (source === '') return negated ? '[^]' : '[]'
  return negated ? `[^${source}]` : `[${source}]`
}

function member(members: string[]): string {
  const rune = members.shift()
  if (rune === undefined || rune === '-' || rune === ']') return malformed()
  return rune === '\\' ? (members.shift() ?? malformed()) : rune
}

function quoted(rune: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(rune) ? `\\${rune}` : rune
}

/** A hyphen has a meaning within brackets only. */
function quotedMember(rune: string): string {
  return rune === '-' ? '\\-' : quoted(rune)
}

function malformed(): never {
  throw new Error('syntax error in pattern')
}
