/** The patterns of `.Files.Glob` (gobwas/glob with "/" as separator): `*`, `**`, `?`, `[a-c]`, `[!a]`, `{a,b}`, `\`. */

/** A test for names; a malformed pattern matches all of them, as in Helm. */
export function globMatcher(pattern: string): (name: string) => boolean {
  try {
    const { source } = alternatives([...pattern], 0, false)
    const expression = new RegExp(`^(?:${source})$`, 'su')
    return name => expression.test(name)
  } catch {
    return () => true
  }
}

interface Piece {
  readonly source: string
  /** Index of the first rune behind it. */
  readonly at: number
}

/** Sequences apart by commas inside braces; at top level a comma is itself. */
function alternatives(runes: readonly string[], start: number, braced: boolean): Piece {
  const choices: string[] = []
  let source = ''
  let at = start
  while (at < runes.length) {
    const rune = runes[at]!
    if (braced && rune === '}') return { source: [...choices, source].join('|'), at }
    if (braced && rune === ',') {
      choices.push(source)
      source = ''
      at++
      continue
    }
    const piece = one(runes, at)
    source += piece.source
    at = piece.at
  }
  // Braces that nobody closes end with the pattern.
  return { source: [...choices, source].join('|'), at }
}

function one(runes: readonly string[], at: number): Piece {
  const rune = runes[at]!
  switch (rune) {
    case '*':
      return runes[at + 1] === '*' ? { source: '.*', at: at + 2 } : { source: '[^/]*', at: at + 1 }
    case '?':
      return { source: '[^/]', at: at + 1 }
    case '[':
      return characterClass(runes, at + 1)
    case '{': {
      const inner = alternatives(runes, at + 1, true)
      return { source: `(?:${inner.source})`, at: inner.at + 1 }
    }
    case '\\':
      return { source: quoted(runes[at + 1] ?? ''), at: at + 2 }
    default:
      return { source: quoted(rune), at: at + 1 }
  }
}

function characterClass(runes: readonly string[], start: number): Piece {
  const end = runes.indexOf(']', start)
  if (end < 0) throw new Error('unexpected end of input')
  const negated = runes[start] === '!'
  const members = runes.slice(negated ? start + 1 : start, end)
  const isRange = members.length === 3 && members[1] === '-'
  if (members.length === 0) throw new Error('unexpected end of input')
  const content = isRange
    ? `${quotedMember(members[0]!)}-${quotedMember(members[2]!)}`
    : members.map(quotedMember).join('')
  return { source: `[${negated ? '^' : ''}${content}]`, at: end + 1 }
}

function quoted(rune: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(rune) ? `\\${rune}` : rune
}

/** A hyphen has a meaning within brackets only. */
function quotedMember(rune: string): string {
  return rune === '-' ? '\\-' : quoted(rune)
}
