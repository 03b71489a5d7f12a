/** Versions and version ranges as Helm reads them: loose semantic versions, `>=1.2 <3 || ~4.1`, wildcards, hyphen ranges. */

interface Version {
  readonly parts: readonly [bigint, bigint, bigint]
  readonly prerelease: string
}

type Operator = '=' | '!=' | '>' | '<' | '>=' | '<=' | '~' | '^'

interface Constraint {
  readonly operator: Operator
  readonly version: Version
  /** The first part that is a wildcard or missing; none when the version is whole. */
  readonly open: 'major' | 'minor' | 'patch' | undefined
}

const suffix = String.raw`(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?`
const versionPattern = new RegExp(String.raw`^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?${suffix}$`)
const range = String.raw`v?([0-9|xX*]+)(\.[0-9|xX*]+)?(\.[0-9|xX*]+)?${suffix}`
const operators = '=>|=<|!=|>=|<=|~>|[=><~^]|'
const one = new RegExp(String.raw`(${operators})\s*${range}`, 'y')
const hyphen = new RegExp(String.raw`\s*(${range})\s+-\s+(${range})\s*`, 'g')

const spellings: { readonly [spelling: string]: Operator } = { '': '=', '=>': '>=', '=<': '<=', '~>': '~' }

/** Whether a chart may carry this version. */
export function isVersion(text: string): boolean {
  return parseVersion(text) !== undefined
}

/** Whether `version` lies in the range; false when either cannot be read. A prerelease needs one in the range. */
export function isCompatible(rangeText: string, version: string): boolean {
  const parsed = parseVersion(version)
  const alternatives = parseRange(rangeText)
  if (parsed === undefined || alternatives === undefined) return false
  return alternatives.some(constraints => {
    if (parsed.prerelease !== '' && constraints.every(({ version: { prerelease } }) => prerelease === '')) return false
    return constraints.every(constraint => satisfies(parsed, constraint))
  })
}

function parseVersion(text: string): Version | undefined {
  const match = versionPattern.exec(text)
  if (!match) return undefined
  const parts = match.slice(1, 4).map(part => BigInt(part ?? 0)) as [bigint, bigint, bigint]
  const prerelease = (match[4] ?? '').slice(1)
  const leadingZero = prerelease.split('.').some(identifier => /^0\d+$/.test(identifier))
  return leadingZero || parts.some(part => part >= 1n << 64n) ? undefined : { parts, prerelease }
}

function parseRange(text: string): Constraint[][] | undefined {
  const plain = text.replace(hyphen, (_, ...groups: string[]) => `>= ${groups[0]}, <= ${groups[6]} `)
  const alternatives = plain.split('||').map(parseAll)
  return alternatives.includes(undefined) ? undefined : (alternatives as Constraint[][])
}

/** Constraints that hold together, apart by blanks or commas. */
function parseAll(text: string): Constraint[] | undefined {
  const constraints: Constraint[] = []
  for (let rest = text.trim(); ; ) {
    one.lastIndex = 0
    const match = one.exec(rest)
    const constraint = match && parseOne(match)
    if (!constraint) return undefined
    constraints.push(constraint)
    const behind = rest.slice(match[0].length)
    if (behind === '') return constraints
    rest = behind.replace(/^\s*,?\s*/, '')
    if (rest.length === behind.length) return undefined
  }
}

function parseOne(match: RegExpExecArray): Constraint | undefined {
  const [, spelling = '', major = '', minor = '', patch = '', prerelease = ''] = match
  const numbers = [major, minor.slice(1), patch.slice(1)]
  const firstOpen = numbers.findIndex(part => /^[xX*]?$/.test(part))
  const whole = numbers.map((part, at) => (firstOpen >= 0 && at >= firstOpen ? '0' : part)).join('.')
  const version = parseVersion(whole + prerelease)
  const open = (['major', 'minor', 'patch'] as const)[firstOpen]
  return version && { operator: spellings[spelling] ?? (spelling as Operator), version, open }
}

function satisfies(version: Version, constraint: Constraint): boolean {
  const { operator, open } = constraint
  const wanted = constraint.version
  const order = compare(version, wanted)
  const [major, minor] = [0, 1].map(at => compareNumbers(version.parts[at]!, wanted.parts[at]!)) as [number, number]
  switch (operator) {
    case '=':
      return open === undefined ? order === 0 : isNear(version, constraint)
    case '!=':
      return open === undefined ? order !== 0 : differs(version, constraint)
    case '~':
      return isNear(version, constraint)
    case '^':
      return order >= 0 && sameLeading(version, constraint)
    case '<':
      return order < 0
    case '>=':
      return order >= 0
    case '>':
      if (open === undefined || open === 'major') return order > 0
      return major !== 0 ? major > 0 : open === 'patch' && minor > 0
    case '<=':
      if (open === undefined) return order <= 0
      return major < 0 || (major === 0 && (open === 'minor' || minor <= 0))
  }
}

/** At least the wanted version, and the same in all parts but the last that is given. */
function isNear(version: Version, { version: wanted, open }: Constraint): boolean {
  if (compare(version, wanted) < 0) return false
  if (open !== 'minor' && open !== 'patch' && wanted.parts.every(part => part === 0n)) return true
  if (version.parts[0] !== wanted.parts[0]) return false
  return open === 'minor' || version.parts[1] === wanted.parts[1]
}

function differs(version: Version, { version: wanted, open }: Constraint): boolean {
  if (version.parts[0] !== wanted.parts[0]) return true
  if (open === 'minor') return false
  if (version.parts[1] !== wanted.parts[1]) return true
  if (open !== 'patch') return version.parts[2] !== wanted.parts[2] || compare(version, wanted) !== 0
  return comparePrereleases(version.prerelease, wanted.prerelease) !== 0
}

/** Equal up to the first part that is not zero. */
function sameLeading(version: Version, { version: wanted, open }: Constraint): boolean {
  if (version.parts[0] !== wanted.parts[0]) return false
  if (wanted.parts[0] > 0n || open === 'minor') return true
  if (version.parts[1] !== wanted.parts[1]) return false
  return wanted.parts[1] > 0n || open === 'patch' || version.parts[2] === wanted.parts[2]
}

function compare(a: Version, b: Version): number {
  for (const at of [0, 1, 2]) {
    const order = compareNumbers(a.parts[at]!, b.parts[at]!)
    if (order !== 0) return order
  }
  return comparePrereleases(a.prerelease, b.prerelease)
}

/** Numbers before words, and any prerelease before the release. */
function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0
  if (a === '' || b === '') return a === '' ? 1 : -1
  const [left, right] = [a.split('.'), b.split('.')]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const order = compareIdentifiers(left[at], right[at])
    if (order !== 0) return order
  }
  return 0
}

function compareIdentifiers(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0
  if (a === undefined || b === undefined) return a === undefined ? -1 : 1
  const numeric = [a, b].map(text => /^\d+$/.test(text))
  if (numeric[0] && numeric[1]) return compareNumbers(BigInt(a), BigInt(b))
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1
  return a < b ? -1 : 1
}

function compareNumbers(a: bigint, b: bigint): number {
  return a === b ? 0 : a < b ? -1 : 1
}
