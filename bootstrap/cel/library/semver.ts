/** Semantic versions (apiserver pkg/cel/library/semverlib.go). */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { bool, int, opaque, string } from '../types.ts'
import type { Opaque } from '../values.ts'

const type = opaque('kubernetes.Semver')
const strict =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

class Version implements Opaque {
  readonly opaque = 'kubernetes.Semver'
  readonly numbers: readonly [bigint, bigint, bigint]
  readonly pre: readonly string[]

  constructor(numbers: readonly [bigint, bigint, bigint], pre: readonly string[]) {
    this.numbers = numbers
    this.pre = pre
  }

  equals(other: Opaque): boolean {
    return compare(this, other as Version) === 0
  }
}

function tryVersion(text: string, normalize = false): Version | undefined {
  const match = strict.exec(normalize ? normalized(text) : text)
  if (!match) return undefined
  const pre = match[4]?.split('.') ?? []
  if (pre.some(part => /^0\d+$/.test(part))) return undefined
  return new Version([BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)], pre)
}

/** "v1.0" becomes "1.0.0", leading zeros go. */
function normalized(text: string): string {
  const [, numbers = '', rest = ''] = /^v?([\d.]*)(.*)$/.exec(text) ?? []
  const parts = numbers.split('.').map(part => part.replace(/^0+(?=\d)/, ''))
  while (parts.length < 3) parts.push('0')
  return parts.join('.') + rest
}

function version(text: string, normalize = false): Version {
  const found = tryVersion(text, normalize)
  if (!found)
    throw new CelError(
      `semver parse error during conversion from string: ${JSON.stringify(text)} is not a semantic version`,
    )
  return found
}

function compare(a: Version, b: Version): number {
  for (const [index, number] of a.numbers.entries())
    if (number !== b.numbers[index]) return number < b.numbers[index]! ? -1 : 1
  if (a.pre.length === 0 || b.pre.length === 0) return Math.sign(b.pre.length - a.pre.length)
  for (const [index, part] of a.pre.entries()) {
    const other = b.pre[index]
    if (other === undefined) return 1
    if (part !== other) return comparePart(part, other)
  }
  return a.pre.length === b.pre.length ? 0 : -1
}

function comparePart(a: string, b: string): number {
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (left && right) return BigInt(a) < BigInt(b) ? -1 : 1
  if (left !== right) return left ? -1 : 1
  return a < b ? -1 : 1
}

export const semver: readonly Overload[] = [
  fn('semver', [string], type, version),
  fn('semver', [string, bool], type, version),
  fn('isSemver', [string], bool, (text: string) => tryVersion(text) !== undefined),
  fn('isSemver', [string, bool], bool, (text: string, normalize: boolean) => tryVersion(text, normalize) !== undefined),
  method('major', [type], int, ({ numbers }: Version) => numbers[0]),
  method('minor', [type], int, ({ numbers }: Version) => numbers[1]),
  method('patch', [type], int, ({ numbers }: Version) => numbers[2]),
  method('isLessThan', [type, type], bool, (a: Version, b: Version) => compare(a, b) < 0),
  method('isGreaterThan', [type, type], bool, (a: Version, b: Version) => compare(a, b) > 0),
  method('compareTo', [type, type], int, (a: Version, b: Version) => BigInt(compare(a, b))),
]
