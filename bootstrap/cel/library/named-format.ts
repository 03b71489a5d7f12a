/** Kubernetes' named formats: format.dns1123Label().validate(x) (apiserver pkg/cel/library/format.go). */
import { isIP } from 'node:net'
import { fn, method, type Overload } from '../functions.ts'
import { listOf, opaque, optionalOf, string } from '../types.ts'
import { type Opaque, Optional, type Value } from '../values.ts'

const type = opaque('kubernetes.NamedFormat')

/** What is wrong with a text; empty when nothing is. */
export type FormatRule = (text: string) => readonly string[]

class NamedFormat implements Opaque {
  readonly opaque = 'kubernetes.NamedFormat'
  readonly name: string
  readonly rule: FormatRule

  constructor(name: string, rule: FormatRule) {
    this.name = name
    this.rule = rule
  }

  equals(other: Opaque): boolean {
    return this.name === (other as NamedFormat).name
  }
}

const matching =
  (pattern: RegExp, message: string): FormatRule =>
  text =>
    pattern.test(text) ? [] : [message]

const simple: { readonly [name: string]: FormatRule } = {
  uri: text => (URL.canParse(text) || /^\/[^\s]*$/.test(text) ? [] : ['invalid URL']),
  uuid: matching(
    /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i,
    'does not match the UUID format',
  ),
  byte: matching(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'invalid base64'),
  date: text => (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? [] : ['invalid date']),
  datetime: text => (Number.isNaN(Date.parse(text)) ? ['invalid datetime'] : []),
  ip: text => (isIP(text) === 0 ? ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'] : []),
}

/** `names` are the rules for names of objects: dns1123Label, labelValue, ... */
export function namedFormats(names: { readonly [name: string]: FormatRule }): readonly Overload[] {
  const formats = new Map(
    Object.entries({ ...simple, ...names }).map(([name, rule]) => [name, new NamedFormat(name, rule)]),
  )
  const named = (name: string): Value => new Optional(formats.get(name))
  const validate = ({ rule }: NamedFormat, text: string): Value => {
    const problems = rule(text)
    return new Optional(problems.length === 0 ? undefined : problems)
  }
  return [
    ...[...formats].map(([name, format]) => fn(`format.${name}`, [], type, () => format)),
    fn('format.named', [string], optionalOf(type), named),
    method('validate', [type, string], optionalOf(listOf(string)), validate),
  ]
}
