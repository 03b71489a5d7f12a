/** What a plain scalar means in YAML 1.1 as Go's yaml.v2 reads it: `yes` and `n` are booleans, `0644` and `0x1f` integers. */
import { YamlProblem } from './cursor.ts'

/** An integer is a bigint, a float a number. */
export type Scalar = null | boolean | bigint | number | string

const words: { readonly [text: string]: null | boolean | number } = {
  ...Object.fromEntries(['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(t => [t, true])),
  ...Object.fromEntries(
    ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(t => [t, false]),
  ),
  ...Object.fromEntries(['', '~', 'null', 'Null', 'NULL'].map(t => [t, null])),
  ...Object.fromEntries(['.nan', '.NaN', '.NAN'].map(t => [t, Number.NaN])),
  ...Object.fromEntries(['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(t => [t, Number.POSITIVE_INFINITY])),
  ...Object.fromEntries(['-.inf', '-.Inf', '-.INF'].map(t => [t, Number.NEGATIVE_INFINITY])),
}

const long = 'tag:yaml.org,2002:'
const resolvable = ['', 'str', 'bool', 'int', 'float', 'null', 'timestamp'].map(name => (name ? long + name : ''))

/** The value of a scalar that is plain or has a tag. Throws YamlProblem when it is not what its tag says. */
export function resolveScalar(tag: string, text: string): Scalar {
  if (tag === `${long}binary`) return decodeBinary(text)
  if (!resolvable.includes(tag) || tag === `${long}str`) return text
  const value = resolvePlain(text, tag)
  if (tag === '' || tag === tagOf(value, text)) return value
  if (tag === `${long}float` && typeof value === 'bigint') return Number(value)
  throw new YamlProblem(`cannot decode ${short(tagOf(value, text))} \`${text}\` as a ${short(tag)}`)
}

function short(tag: string): string {
  return tag.replace(long, '!!')
}

function tagOf(value: Scalar, text: string): string {
  if (value === null) return `${long}null`
  switch (typeof value) {
    case 'boolean':
      return `${long}bool`
    case 'bigint':
      return `${long}int`
    case 'number':
      return `${long}float`
    default:
      return long + (isTimestamp(text) ? 'timestamp' : 'str')
  }
}

function decodeBinary(text: string): string {
  const plain = text.replace(/[\r\n]/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(plain) || plain.length % 4 !== 0)
    throw new YamlProblem('!!binary value contains invalid base64 data')
  return Buffer.from(plain, 'base64').toString('utf8')
}

function resolvePlain(text: string, tag: string): Scalar {
  if (Object.hasOwn(words, text)) return words[text]!
  if (text.startsWith('.')) return decimalFloat(text) ?? text
  if (!/^[-+0-9]/.test(text)) return text
  if ((tag === '' || tag === `${long}timestamp`) && isTimestamp(text)) return text
  const plain = text.replaceAll('_', '')
  return integer(plain) ?? yamlFloat(plain) ?? text
}

/** A float in Go's own syntax, as after a leading dot. */
function decimalFloat(text: string): number | undefined {
  return /^\.\d+(?:_?\d)*(?:[eE][-+]?\d+)?$/.test(text) && !text.includes('_') ? finite(text) : undefined
}

function yamlFloat(text: string): number | undefined {
  return /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text) ? finite(text) : undefined
}

/** What is out of a float64's range stays text. */
function finite(text: string): number | undefined {
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

/** Go's integers: decimal, 0x, 0o, 0b, and octal behind a leading 0; int64 or uint64. */
function integer(text: string): bigint | undefined {
  const match = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)$/.exec(text)
  if (!match) return undefined
  const [, sign, digits] = match as unknown as [string, string, string]
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  const value = sign === '-' ? -magnitude : magnitude
  const fits = BigInt.asIntN(64, value) === value || (sign === '' && BigInt.asUintN(64, value) === value)
  return fits ? value : undefined
}

const timestamp = /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt ](\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(Z|[-+]\d\d:\d\d)?)?$/

/** Dates and times, which stay the texts they are. */
function isTimestamp(text: string): boolean {
  const match = timestamp.exec(text)
  if (!match) return false
  const [, year, month, day, hour, minute, second, zone] = match
  if (hour !== undefined && (/^.{8,10} /.test(text) ? zone !== undefined : zone === undefined)) return false
  const [m, d] = [Number(month), Number(day)]
  if (m < 1 || m > 12 || d < 1 || d > new Date(Date.UTC(Number(year), m, 0)).getUTCDate()) return false
  return Number(hour ?? 0) < 24 && Number(minute ?? 0) < 60 && Number(second ?? 0) < 60
}
