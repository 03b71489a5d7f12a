/** Semantic versions and constraints with the meaning Helm gives them (Masterminds/semver v3), which is not npm's. */

export interface Version {
  readonly major: number
  readonly minor: number
  readonly patch: number
  /** Without the leading "-". */
  readonly pre: string
  /** Without the leading "+". */
  readonly metadata: string
  readonly original: string
}

const identifiers = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*'
const looseVersion = new RegExp(`^v?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+))?(?:-(${identifiers}))?(?:\\+(${identifiers}))?$`)

/** Reads "1", "v1.2" and "1.2.3-pre+meta"; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  const match = looseVersion.exec(text)
  if (!match) return undefined
  const [, major, minor = '0', patch = '0', pre = '', metadata = ''] = match
  const numbers = [major, minor, patch].map(Number)
  if (numbers.some(number => number >= 2 ** 64) || pre.split('.').some(part => /^0\d+$/.test(part))) return undefined
  return { major: numbers[0]!, minor: numbers[1]!, patch: numbers[2]!, pre, metadata, original: text }
}

/** Reads only complete versions without a leading "v" or leading zeros. */
export function parseStrictVersion(text: string): Version | undefined {
  const complete = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?![.\d])/.test(text)
  return complete ? parseVersion(text) : undefined
}

/** "1.2.3-pre+meta", whatever form it was read from. */
export function versionText({ major, minor, patch, pre, metadata }: Version): string {
  return `${major}.${minor}.${patch}${pre === '' ? '' : `-${pre}`}${metadata === '' ? '' : `+${metadata}`}`
}

/** Negative when `a` comes before `b`; metadata does not count. */
export function compareVersions(a: Version, b: Version): number {
  const numbers = a.major - b.major || a.minor - b.minor || a.patch - b.patch
  if (numbers !== 0 || a.pre === b.pre) return numbers
  if (a.pre === '') return 1
  return b.pre === '' ? -1 : comparePre(a.pre, b.pre)
}

function comparePre(a: string, b: string): number {
  const [ours, theirs] = [a.split('.'), b.split('.')]
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const order = comparePart(ours[index], theirs[index])
    if (order !== 0) return order
  }
  return 0
}

function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined) return -1
  if (b === undefined) return 1
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1
  if (aIsNumber) return Number(a) - Number(b)
  return a > b ? 1 : -1
}

type Operator = '' | '=' | '!=' | '>' | '<' | '>=' | '=>' | '<=' | '=<' | '~' | '~>' | '^'

interface Term {
  readonly operator: Operator
  readonly version: Version
  /** As written, without the operator. */
  readonly text: string
  /** A part is left out or a wildcard: from the major on, the minor on, or the patch alone. */
  readonly open: 'none' | 'major' | 'minor' | 'patch'
}

/** One side of "||": all terms must hold. */
interface Group {
  readonly terms: readonly Term[]
  /** Pre-releases match only where the group names one. */
  readonly includesPre: boolean
}

export interface Constraint {
  readonly groups: readonly Group[]
}

const part = '[0-9|xX*]+'
const termVersion = `v?(${part})(\\.${part})?(\\.${part})?(-${identifiers})?(\\+${identifiers})?`
const uncaptured = `v?${part}(?:\\.${part})?(?:\\.${part})?(?:-${identifiers})?(?:\\+${identifiers})?`
const operators = '=||!=|>|<|>=|=>|<=|=<|~|~>|\\^'
const validGroup = new RegExp(
  `^\\s*(?:${operators})\\s*${uncaptured}\\s*(?:(?:\\s+|,\\s*)(?:${operators})\\s*${uncaptured}\\s*)*$`,
)
const oneTerm = new RegExp(`^\\s*(${operators})\\s*(${termVersion})\\s*$`)
const hyphenRange = new RegExp(`\\s*(${uncaptured})\\s+-\\s+(${uncaptured})\\s*`, 'g')
const longestOperatorFirst = '!=|>=|=>|<=|=<|~>|=|>|<|~|\\^|'
const everyTerm = new RegExp(`(?:${longestOperatorFirst})\\s*${uncaptured}`, 'g')

/** Reads ">=1.2 <2 || ~3.1", "^1.2.x", "1.2 - 2.3", "*". Throws Error "improper constraint: ...". */
export function parseConstraint(text: string): Constraint {
  const expanded = text.replace(hyphenRange, (_, from: string, to: string) => `>= ${from}, <= ${to} `)
  return { groups: expanded.split('||').map(parseGroup) }
}

function parseGroup(text: string): Group {
  if (!validGroup.test(text)) throw new Error(`improper constraint: ${text}`)
  const terms = [...text.matchAll(everyTerm)].map(([term]) => parseTerm(term))
  return { terms, includesPre: terms.some(({ version }) => version.pre !== '') }
}

const isWildcard = (text: string | undefined) => text === undefined || /^\.?[xX*]$/.test(text)

function parseTerm(term: string): Term {
  const match = oneTerm.exec(term)
  const [, operator = '', text = '', major, minor, patch, pre = ''] = match ?? []
  const open = isWildcard(major) ? 'major' : isWildcard(minor) ? 'minor' : isWildcard(patch) ? 'patch' : 'none'
  const full = {
    major: `0.0.0${pre}`,
    minor: `${major}.0.0${pre}`,
    patch: `${major}${minor}.0${pre}`,
    none: text,
  }
  if (!match) throw new Error(`improper constraint: ${term}`)
  const version = parseVersion(full[open])
  if (!version) throw new Error('constraint parser error')
  return { operator: operator as Operator, version, text, open }
}

/** Whether the version satisfies the constraint. */
export function satisfies(version: Version, constraint: Constraint): boolean {
  return constraint.groups.some(({ terms, includesPre }) =>
    terms.every(term => (version.pre === '' || includesPre) && holds(version, term)),
  )
}

function holds(version: Version, term: Term): boolean {
  const order = compareVersions(version, term.version)
  switch (term.operator) {
    case '':
    case '=':
      return term.open === 'none' ? order === 0 : tilde(version, term, order)
    case '!=':
      return differs(version, term, order)
    case '>':
      return greater(version, term, order)
    case '<':
      return order < 0
    case '>=':
    case '=>':
      return order >= 0
    case '<=':
    case '=<':
      return lessOrEqual(version, term, order)
    case '~':
    case '~>':
      return tilde(version, term, order)
    case '^':
      return caret(version, term, order)
  }
}

function differs(version: Version, { version: limit, open }: Term, order: number): boolean {
  if (open === 'none' || version.major !== limit.major) return order !== 0
  if (open === 'minor') return false
  if (version.minor !== limit.minor) return true
  if (open === 'patch') return (version.pre !== '' || limit.pre !== '') && version.pre !== limit.pre
  return version.patch !== limit.patch
}

function greater(version: Version, { version: limit, open }: Term, order: number): boolean {
  if (open === 'none' || version.major !== limit.major) return order > 0
  if (open === 'minor') return false
  return open === 'patch' ? version.minor > limit.minor : order > 0
}

function lessOrEqual(version: Version, { version: limit, open }: Term, order: number): boolean {
  if (open === 'none') return order <= 0
  if (version.major > limit.major) return false
  return !(version.major === limit.major && version.minor > limit.minor && open !== 'minor')
}

function tilde(version: Version, { version: limit, open }: Term, order: number): boolean {
  if (order < 0) return false
  const isZero = limit.major === 0 && limit.minor === 0 && limit.patch === 0
  if (isZero && open !== 'minor' && open !== 'patch') return true
  return version.major === limit.major && (open === 'minor' || version.minor === limit.minor)
}

function caret(version: Version, { version: limit, open }: Term, order: number): boolean {
  if (order < 0) return false
  if (limit.major > 0 || open === 'minor') return version.major === limit.major
  if (version.major > 0) return false
  if (limit.minor > 0 || open === 'patch') return version.minor === limit.minor
  return version.minor === 0 && version.patch === limit.patch
}

/** Whether a version lies in a range; false when either cannot be read, as where Helm checks what a chart demands. */
export function isCompatibleRange(range: string, version: string): boolean {
  const parsed = parseVersion(version)
  try {
    return parsed !== undefined && satisfies(parsed, parseConstraint(range))
  } catch {
    return false
  }
}
