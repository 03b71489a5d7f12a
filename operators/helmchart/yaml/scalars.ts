/** What a plain YAML scalar stands for, by the rules of go-yaml, and how strings must be written so as to stay strings. */
import { parseFloatText, parseIntegerText } from '../template/numbers.ts'

export type YamlScalar = null | boolean | number | bigint | string

/** YAML 1.1, as go-yaml 2 has it (what sigs.k8s.io/yaml uses), or go-yaml 3 with its fewer booleans. */
export type YamlDialect = 2 | 3

const trueWords = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON', 'true', 'True', 'TRUE'])
const falseWords = new Set(['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF', 'false', 'False', 'FALSE'])
const strictBooleans = /^(?:true|True|TRUE|false|False|FALSE)$/
const floatPattern = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
const maxUint64 = 2n ** 64n - 1n
const minInt64 = -(2n ** 63n)

/** Resolves a plain scalar. Merge keys and timestamps come out as the strings they are. */
export function resolvePlain(text: string, dialect: YamlDialect = 2): YamlScalar {
  if (text === '' || text === '~' || text === 'null' || text === 'Null' || text === 'NULL') return null
  const first = text[0]!
  if (/[yYnNtTfFoO]/.test(first)) return booleanOf(text, dialect) ?? text
  if (!/[-+.0-9]/.test(first)) return text
  if (/^\.(?:nan|NaN|NAN)$/.test(text)) return Number.NaN
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(text)) return first === '-' ? -Infinity : Infinity
  if (first === '.') return parseFloatText(text) ?? text
  return numberOf(text, dialect) ?? text
}

function booleanOf(text: string, dialect: YamlDialect): boolean | undefined {
  if (dialect === 3 && !strictBooleans.test(text)) return undefined
  if (trueWords.has(text)) return true
  return falseWords.has(text) ? false : undefined
}

function numberOf(text: string, dialect: YamlDialect): bigint | number | undefined {
  if (isTimestamp(text)) return undefined
  const plain = text.replaceAll('_', '')
  const integer = parseIntegerText(plain)
  if (integer !== undefined && integer >= minInt64 && integer <= maxUint64) return integer
  if (floatPattern.test(plain)) return parseFloatText(plain)
  // A sign after the base prefix: "0b-1" is what ParseInt makes of what follows the prefix.
  const based = dialect === 3 ? /^(-?)0([bo])([-+]?[0-7]+)$/.exec(plain) : /^(-?)0(b)([-+]?[01]+)$/.exec(plain)
  if (!based || !/^[-+]/.test(based[3]!)) return undefined
  const value = parseIntegerText(`0${based[2]}${based[3]!.slice(1)}`)
  return value === undefined ? undefined : (based[1] === '-') !== (based[3]![0] === '-') ? -value : value
}

const timestampPattern =
  /^[0-9]{4}-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})| ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?)?$/

/** Whether go-yaml would take a plain scalar for a date. */
export function isTimestamp(text: string): boolean {
  const match = timestampPattern.exec(text)
  if (!match) return false
  const [month, day] = [Number(match[1]), Number(match[2])]
  const [hour, minute, second] = [match[3] ?? match[6], match[4] ?? match[7], match[5] ?? match[8]].map(part =>
    Number(part ?? 0),
  )
  if (month < 1 || month > 12 || hour! > 23 || minute! > 59 || second! > 59) return false
  const date = new Date(Date.UTC(2000, month - 1, day))
  date.setUTCFullYear(Number(text.slice(0, 4)), month - 1, day)
  return day >= 1 && date.getUTCMonth() === month - 1
}

const sexagesimal = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/

/** Whether a string can be written without quotes and is still read as that string. */
export function staysString(text: string, dialect: YamlDialect): boolean {
  if (typeof resolvePlain(text, dialect) !== 'string') return false
  if (isTimestamp(text) || sexagesimal.test(text)) return false
  return dialect === 2 || !(trueWords.has(text) || falseWords.has(text))
}
