/** Sprig's functions over semantic versions. */
import {
  type Constraint,
  compareVersions,
  parseConstraint,
  parseVersion,
  satisfies,
  type Version,
  versionText,
} from '../semver.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoStruct, type GoType } from '../template/values.ts'

/** Reads a version. Throws GoError with upstream's message. */
function versionOf(text: string): Version {
  const version = parseVersion(text)
  if (version) return version
  const shape = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(text)
  const tooBig = shape?.slice(1, 4).find(digits => digits !== undefined && BigInt(digits) >= 2n ** 64n)
  if (tooBig !== undefined)
    throw new GoError(`error parsing version segment: strconv.ParseUint: parsing "${tooBig}": value out of range`)
  const zeros = shape?.[4]?.split('.').some(part => /^0\d+$/.test(part))
  throw new GoError(zeros ? 'version segment starts with 0' : 'invalid semantic version')
}

function constraintOf(text: string): Constraint {
  try {
    return parseConstraint(text)
  } catch (error) {
    throw new GoError((error as Error).message)
  }
}

export const versionType: GoType = { name: '*semver.Version', kind: 'ptr' }

/** A *semver.Version with the methods templates call. */
export function goVersion(version: Version): GoStruct {
  const text = (): string => versionText(version)
  const next = (change: Partial<Version>): GoStruct => {
    const changed = { ...version, pre: '', metadata: '', ...change }
    const prefix = version.original.startsWith('v') ? 'v' : ''
    return goVersion({ ...changed, original: prefix + versionText(changed) })
  }
  const compare = (other: GoStruct): number => Math.sign(compareVersions(version, other.hidden as Version))
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
        Major: goFunction('-> uint64', () => BigInt(version.major)),
        Minor: goFunction('-> uint64', () => BigInt(version.minor)),
        Patch: goFunction('-> uint64', () => BigInt(version.patch)),
        Prerelease: goFunction('-> string', () => version.pre),
        Metadata: goFunction('-> string', () => version.metadata),
        IncMajor: goFunction('-> value', () => next({ major: version.major + 1, minor: 0, patch: 0 })),
        IncMinor: goFunction('-> value', () => next({ minor: version.minor + 1, patch: 0 })),
        IncPatch: goFunction('-> value', () => next(version.pre ? {} : { patch: version.patch + 1 })),
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
  semver: goFunction('string -> value', (text: string) => goVersion(versionOf(text))),
  semverCompare: goFunction('string, string -> bool', (constraint: string, version: string) => {
    const parsed = constraintOf(constraint)
    return satisfies(versionOf(version), parsed)
  }),
}
