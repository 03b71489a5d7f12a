/** What a scalar means: by its tag, or by its looks when it is plain. */
import { YamlProblem } from './cursor.ts'
import { isTimestamp, resolvePlain, type YamlScalar } from './scalars.ts'

const long = 'tag:yaml.org,2002:'
const resolvable = ['', 'str', 'bool', 'int', 'float', 'null', 'timestamp'].map(name => (name ? long + name : ''))

/** The value of a scalar that is plain or has a tag. Throws YamlProblem when it is not what its tag says. */
export function resolveScalar(tag: string, text: string): YamlScalar {
  if (tag === `${long}binary`) return decodeBinary(text)
  if (!resolvable.includes(tag) || tag === `${long}str`) return text
  const value = resolvePlain(text)
  if (tag === '' || tag === tagOf(value, text)) return value
  if (tag === `${long}float` && typeof value === 'bigint') return Number(value)
  throw new YamlProblem(`cannot decode ${short(tagOf(value, text))} \`${text}\` as a ${short(tag)}`)
}

function short(tag: string): string {
  return tag.replace(long, '!!')
}

function tagOf(value: YamlScalar, text: string): string {
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
