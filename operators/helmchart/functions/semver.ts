/** Versions and constraints as Masterminds/semver reads them. */
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoStruct, type GoType } from '../template/values.ts'

export interface Version {
  readonly major: bigint
  readonly minor: bigint
  readonly patch: bigint
  readonly prerelease: string
  readonly metadata: string
  readonly original: string
}

const suffix = '(-([0-9A-Za-z\\-]+(?:\\.[0-9A-Za-z\\-]+)*))?(?:\\+([0-9A-Za-z\\-]+(?:\\.[0-9A-Za-z\\-]+)*))?'
const versionPattern = new RegExp(`^v?([0-9]+)(?:\\.([0-9]+))?(?:\\.([0-9]+))?${suffix}$`)

/** Reads a version, "v1.2" among them. Throws GoError with upstream's message. */
export function parseVersion(text: string): Version {
  const match = versionPattern.exec(text)
  if (!match) throw new GoError('invalid semantic version')
  const [, major = '0', minor = '0', patch = '0', , prerelease = '', metadata = ''] = match
  for (const part of prerelease ? prerelease.split('.') : [])
    if (/^0[0-9]+$/.test(part)) throw new GoError('version segment starts with 0')
  return {
    major: segment(major),
    minor: segment(minor),
    patch: segment(patch),
    prerelease,
    metadata,
    original: text,
  }
}

function segment(digits: string): bigint {
  const value = BigInt(digits)
  if (value >= 2n ** 64n)
    throw new GoError(`error parsing version segment: strconv.ParseUint: parsing "${digits}": value out of range`)
  return value
}

export function formatVersion({ major, minor, patch, prerelease, metadata }: Version): string {
  return `${major}.${minor}.${patch}${prerelease && `-${prerelease}`}${metadata && `+${metadata}`}`
}

/** -1, 0 or 1; metadata does not count. */
export function compareVersions(left: Version, right: Version): number {
  for (const part of ['major', 'minor', 'patch'] as const)
    if (left[part] !== right[part]) return left[part] < right[part] ? -1 : 1
  if (left.prerelease === right.prerelease) return 0
  if (left.prerelease === '') return 1
  return right.prerelease === '' ? -1 : comparePrereleases(left.prerelease, right.prerelease)
}

function comparePrereleases(left: string, right: string): number {
  const [first, second] = [left.split('.'), right.split('.')]
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    const difference = comparePart(first[index] ?? '', second[index] ?? '')
    if (difference !== 0) return difference
  }
  return 0
}

function comparePart(left: string, right: string): number {
  if (left === right) return 0
  if (left === '') return -1
  if (right === '') return 1
  const [leftNumber, rightNumber] = [/^[0-9]+$/.test(left), /^[0-9]+$/.test(right)]
  if (leftNumber && rightNumber) return BigInt(left) > BigInt(right) ? 1 : -1
  if (leftNumber !== rightNumber) return leftNumber ? -1 : 1
  return left > right ? 1 : -1
}

interface Constraint {
  readonly operator: string
  readonly version: Version
  /** Some part is missing or a wildcard. */
  readonly partial: boolean
  readonly anyMinor: boolean
  readonly anyPatch: boolean
}

const wild = '[0-9|xX*]+'
const bound = `v?(${wild})(\\.${wild})?(\\.${wild})?(-[0-9A-Za-z\\-]+(?:\\.[0-9A-Za-z\\-]+)*)?(?:\\+[0-9A-Za-z\\-]+(?:\\.[0-9A-Za-z\\-]+)*)?`
const uncaptured = bound.replaceAll(/\((?!\?)/g, '(?:')
// The empty operator comes second: longer ones are found only where a pattern has to match to its end.
const operators = '=||!=|>|<|>=|=>|<=|=<|~|~>|\\^'
const boundPattern = new RegExp(`^\\s*(${operators})\\s*${bound}\\s*$`)
const findPattern = new RegExp(`(?:${operators})\\s*${uncaptured}`, 'g')
const validPattern = new RegExp(
  `^\\s*(?:${operators})\\s*${uncaptured}\\s*(?:(?:\\s+|,\\s*)(?:${operators})\\s*${uncaptured}\\s*)*$`,
)
const rangePattern = new RegExp(`\\s*(${uncaptured})\\s+-\\s+(${uncaptured})\\s*`, 'g')

/** A check for versions by a constraint such as ">= 1.2, < 2 || ~3.1". Throws GoError with upstream's message. */
export function parseConstraint(text: string): (version: Version) => boolean {
  const groups = text
    .replace(rangePattern, (_, from: string, to: string) => `>= ${from}, <= ${to} `)
    .split('||')
    .map(parseGroup)
  return version => groups.some(group => satisfies(version, group))
}

function parseGroup(text: string): Constraint[] {
  if (!validPattern.test(text)) throw new GoError(`improper constraint: ${text}`)
  return (text.match(findPattern) ?? [text]).map(parseBound)
}

function parseBound(text: string): Constraint {
  const match = boundPattern.exec(text)
  if (!match) throw new GoError(`improper constraint: ${text}`)
  const [, operator = '', major = '', minor = '', patch = '', prerelease = ''] = match
  const isWild = (part: string): boolean => part === '' || /^\.?[xX*]$/.test(part)
  const anyMajor = isWild(major)
  const anyMinor = !anyMajor && isWild(minor)
  const anyPatch = !anyMajor && !anyMinor && isWild(patch)
  const partial = anyMajor || anyMinor || anyPatch
  const numbers = anyMajor
    ? '0.0.0'
    : anyMinor
      ? `${major}.0.0`
      : anyPatch
        ? `${major}${minor}.0`
        : major + minor + patch
  try {
    return { operator, version: parseVersion(numbers + prerelease), partial, anyMinor, anyPatch }
  } catch {
    throw new GoError('constraint parser error')
  }
}

function satisfies(version: Version, group: readonly Constraint[]): boolean {
  const prereleases = group.some(constraint => constraint.version.prerelease !== '')
  if (version.prerelease !== '' && !prereleases) return false
  return group.every(constraint => holds(version, constraint))
}

function holds(version: Version, constraint: Constraint): boolean {
  const difference = compareVersions(version, constraint.version)
  switch (constraint.operator) {
    case '':
    case '=':
      return constraint.partial ? isTilde(version, constraint) : difference === 0
    case '!=':
      return isDifferent(version, constraint)
    case '>':
      return isGreater(version, constraint)
    case '<':
      return difference < 0
    case '>=':
    case '=>':
      return difference >= 0
    case '<=':
    case '=<':
      return isAtMost(version, constraint)
    case '~':
    case '~>':
      return isTilde(version, constraint)
    default:
      return isCaret(version, constraint)
  }
}

function isDifferent(version: Version, { version: bound, partial, anyMinor, anyPatch }: Constraint): boolean {
  if (partial) {
    if (bound.major !== version.major) return true
    if (bound.minor !== version.minor && !anyMinor) return true
    if (anyMinor) return false
    if (bound.patch !== version.patch && !anyPatch) return true
    if (anyPatch)
      return (
        (version.prerelease !== '' || bound.prerelease !== '') &&
        comparePrereleases(version.prerelease, bound.prerelease) !== 0
      )
  }
  return compareVersions(version, bound) !== 0
}

function isGreater(version: Version, { version: bound, partial, anyMinor, anyPatch }: Constraint): boolean {
  if (!partial) return compareVersions(version, bound) === 1
  if (version.major !== bound.major) return version.major > bound.major
  if (anyMinor) return false
  if (anyPatch) return version.minor > bound.minor
  return compareVersions(version, bound) === 1
}

function isAtMost(version: Version, { version: bound, partial, anyMinor }: Constraint): boolean {
  if (!partial) return compareVersions(version, bound) <= 0
  if (version.major > bound.major) return false
  return !(version.major === bound.major && version.minor > bound.minor && !anyMinor)
}

function isTilde(version: Version, { version: bound, anyMinor, anyPatch }: Constraint): boolean {
  if (compareVersions(version, bound) < 0) return false
  const zero = bound.major === 0n && bound.minor === 0n && bound.patch === 0n
  if (zero && !anyMinor && !anyPatch) return true
  if (version.major !== bound.major) return false
  return version.minor === bound.minor || anyMinor
}

function isCaret(version: Version, { version: bound, anyMinor, anyPatch }: Constraint): boolean {
  if (compareVersions(version, bound) < 0) return false
  if (bound.major > 0n || anyMinor) return version.major === bound.major
  if (version.major > 0n) return false
  if (bound.minor > 0n || anyPatch) return version.minor === bound.minor
  if (version.minor > 0n) return false
  return bound.patch === version.patch
}

export const versionType: GoType = { name: '*semver.Version', kind: 'ptr' }

/** A *semver.Version with the methods templates call. */
export function goVersion(version: Version): GoStruct {
  const text = (): string => formatVersion(version)
  const next = (change: Partial<Version>): GoStruct => {
    const changed = { ...version, prerelease: '', metadata: '', ...change }
    const prefix = version.original.startsWith('v') ? 'v' : ''
    return goVersion({ ...changed, original: prefix + formatVersion(changed) })
  }
  const compare = (other: GoStruct): number => compareVersions(version, other.hidden as Version)
  const goTypes = { version: versionType }
  return new GoStruct(
    versionType.name,
    {},
    {
      hidden: version,
      text,
      json: text,
      methods: {
        String: goFunction('-> string', text),
        Original: goFunction('-> string', () => version.original),
        Major: goFunction('-> uint64', () => version.major),
        Minor: goFunction('-> uint64', () => version.minor),
        Patch: goFunction('-> uint64', () => version.patch),
        Prerelease: goFunction('-> string', () => version.prerelease),
        Metadata: goFunction('-> string', () => version.metadata),
        IncMajor: goFunction('-> value', () => next({ major: version.major + 1n, minor: 0n, patch: 0n })),
        IncMinor: goFunction('-> value', () => next({ minor: version.minor + 1n, patch: 0n })),
        IncPatch: goFunction('-> value', () => next(version.prerelease ? {} : { patch: version.patch + 1n })),
        Compare: goFunction('version -> int', compare, goTypes),
        Equal: goFunction('version -> bool', (other: GoStruct) => compare(other) === 0, goTypes),
        LessThan: goFunction('version -> bool', (other: GoStruct) => compare(other) < 0, goTypes),
        LessThanEqual: goFunction('version -> bool', (other: GoStruct) => compare(other) <= 0, goTypes),
        GreaterThan: goFunction('version -> bool', (other: GoStruct) => compare(other) > 0, goTypes),
        GreaterThanEqual: goFunction('version -> bool', (other: GoStruct) => compare(other) >= 0, goTypes),
      },
    },
  )
}

export const semverFunctions: FunctionTable = {
  semver: goFunction('string -> value', (text: string) => goVersion(parseVersion(text))),
  semverCompare: goFunction('string, string -> bool', (constraint: string, version: string) => {
    const check = parseConstraint(constraint)
    return check(parseVersion(version))
  }),
}
