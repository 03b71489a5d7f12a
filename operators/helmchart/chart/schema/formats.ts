/** The formats that the validator checks, and what it says of texts that do not fit. */
import { isIPv6 } from 'node:net'
import { quote } from '../../template/quote.ts'
import { schemaPattern } from './patterns.ts'

/** What is wrong with a text; undefined when nothing is, or when nobody knows the format. */
export function formatProblem(format: string, text: string): string | undefined {
  return Object.hasOwn(checks, format) ? checks[format]!(text) : undefined
}

type Check = (text: string) => string | undefined

const checks: { readonly [format: string]: Check } = {
  'json-pointer': jsonPointer,
  'relative-json-pointer': relativeJsonPointer,
  uuid,
  duration,
  period,
  ipv4,
  ipv6,
  hostname,
  email,
  date,
  time,
  'date-time': dateTime,
  uri: text => url(text, true),
  iri: text => url(text, true),
  'uri-reference': text => (text.includes('\\') ? 'contains \\' : url(text, false)),
  'iri-reference': text => (text.includes('\\') ? 'contains \\' : url(text, false)),
  'uri-template': uriTemplate,
  semver,
  regex,
}

function jsonPointer(text: string): string | undefined {
  if (text !== '' && !text.startsWith('/')) return 'not starting with /'
  return /~(?![01])/.test(text) ? '~ must be followed by 0 or 1' : undefined
}

function relativeJsonPointer(text: string): string | undefined {
  const digits = /^\d*/.exec(text)![0]
  if (digits === '') return 'must start with non-negative integer'
  if (digits.length > 1 && digits.startsWith('0')) return 'starts with zero'
  const rest = text.slice(digits.length)
  return rest === '#' ? undefined : jsonPointer(rest)
}

function uuid(text: string): string | undefined {
  const lengths = [8, 4, 4, 4, 12]
  const groups = text.split('-')
  if (groups.length !== lengths.length) return 'must have 5 elements'
  for (const [at, group] of groups.entries()) {
    if (group.length !== lengths[at]) return `element ${at + 1} must be ${lengths[at]} characters long`
    const wrong = /[^0-9a-f]/i.exec(group)
    if (wrong) return `non-hex character ${character(wrong[0])}`
  }
  return undefined
}

function character(text: string): string {
  return `'${quote(text).slice(1, -1)}'`
}

function duration(text: string): string | undefined {
  if (!text.startsWith('P')) return 'must start with P'
  const body = text.slice(1)
  if (body === '') return 'nothing after P'
  if (body.endsWith('W')) return /^\d+W$/.test(body) ? undefined : body === 'W' ? 'no number in week' : 'invalid week'
  const [days = '', times, ...more] = body.split('T')
  if (more.length > 0) return 'more than one T'
  if (times === '') return 'no time elements'
  return durationUnits(days, 'YMD') ?? durationUnits(times ?? '', 'HMS')
}

function durationUnits(text: string, all: string): string | undefined {
  let units = all
  for (let rest = text; rest !== ''; ) {
    const [, digits = '', unit] = /^(\d*)(.?)/s.exec(rest)!
    if (digits === '') return 'missing number'
    if (!unit) return 'missing unit'
    if (!units.includes(unit))
      return all.includes(unit) ? `unit ${character(unit)} out of order` : `invalid unit ${character(unit)}`
    units = units.slice(units.indexOf(unit) + 1)
    rest = rest.slice(digits.length + 1)
  }
  return undefined
}

function period(text: string): string | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return 'missing slash'
  const [start, end] = [text.slice(0, slash), text.slice(slash + 1)]
  if (start.startsWith('P'))
    return prefixed('invalid start duration', duration(start)) ?? prefixed('invalid end date-time', dateTime(end))
  const wrong = prefixed('invalid start date-time', dateTime(start))
  if (wrong) return wrong
  return end.startsWith('P')
    ? prefixed('invalid end duration', duration(end))
    : prefixed('invalid end date-time', dateTime(end))
}

function prefixed(what: string, problem: string | undefined): string | undefined {
  return problem === undefined ? undefined : `${what}: ${problem}`
}

function ipv4(text: string): string | undefined {
  const groups = text.split('.')
  if (groups.length !== 4) return 'expected four decimals'
  for (const group of groups) {
    if (group.length > 1 && group.startsWith('0')) return 'leading zeros'
    if (!/^[-+]?\d+$/.test(group)) return `strconv.Atoi: parsing ${quote(group)}: invalid syntax`
    if (Number(group) < 0 || Number(group) > 255) return 'decimal must be between 0 and 255'
  }
  return undefined
}

function ipv6(text: string): string | undefined {
  if (!text.includes(':')) return 'missing colon'
  if (text.includes('%')) return 'zone id is not a part of ipv6 address'
  return isIPv6(text) ? undefined : `ParseAddr(${quote(text)}): unable to parse IP`
}

function hostname(text: string): string | undefined {
  const name = text.replace(/\.$/, '')
  if (name.length > 253) return 'more than 253 characters long'
  for (const label of name.split('.')) {
    if (label.length < 1 || label.length > 63) return 'label must be 1 to 63 characters long'
    if (label.startsWith('-')) return 'label starts with hyphen'
    if (label.endsWith('-')) return 'label ends with hyphen'
    const wrong = /[^a-z0-9-]/iu.exec(label)
    if (wrong) return `invalid character ${character(wrong[0])}`
  }
  return undefined
}

function email(text: string): string | undefined {
  if (Buffer.byteLength(text) > 254) return 'more than 255 characters long'
  const at = text.lastIndexOf('@')
  if (at < 0) return 'missing @'
  const [local, domain] = [text.slice(0, at), text.slice(at + 1)]
  return localPart(local) ?? mailDomain(domain)
}

function localPart(local: string): string | undefined {
  if (local.length > 64) return 'local part more than 64 characters long'
  if (local.length > 1 && local.startsWith('"'))
    return /[\\"]/.test(local.slice(1, -1)) ? 'backslash and quote are not allowed within quoted local part' : undefined
  if (local.startsWith('.')) return 'starts with dot'
  if (local.endsWith('.')) return 'ends with dot'
  if (local.includes('..')) return 'consecutive dots'
  const wrong = /[^a-z0-9.!#$%&'*+\-/=?^_`{|}~]/iu.exec(local)
  return wrong ? `invalid character ${character(wrong[0])}` : undefined
}

function mailDomain(domain: string): string | undefined {
  if (!domain.startsWith('[') || !domain.endsWith(']')) return prefixed('invalid domain', hostname(domain))
  const address = domain.slice(1, -1)
  if (address.startsWith('IPv6:')) return prefixed('invalid ipv6 address', ipv6(address.slice(5)))
  return prefixed('invalid ipv4 address', ipv4(address))
}

/** With the first lines of what Go's time.Parse says. */
function date(text: string): string | undefined {
  const parsing = `parsing time ${quote(text)}`
  const cannot = (rest: string, layout: string) =>
    `${parsing} as "2006-01-02": cannot parse ${quote(rest)} as "${layout}"`
  if (!/^\d{4}/.test(text)) return cannot(text, '2006')
  if (text[4] !== '-') return cannot(text.slice(4), '-')
  const month = text.slice(5, 7)
  if (!/^\d\d$/.test(month)) return cannot(text.slice(5), '01')
  if (Number(month) < 1 || Number(month) > 12) return `${parsing}: month out of range`
  if (text[7] !== '-') return cannot(text.slice(7), '-')
  const day = text.slice(8, 10)
  if (!/^\d\d$/.test(day)) return cannot(text.slice(8), '02')
  if (text.length > 10) return `${parsing}: extra text: ${quote(text.slice(10))}`
  const last = new Date(Date.UTC(Number(text.slice(0, 4)), Number(month), 0)).getUTCDate()
  return Number(day) < 1 || Number(day) > last ? `${parsing}: day out of range` : undefined
}

function time(text: string): string | undefined {
  if (text.length < 9) return 'less than 9 characters long'
  if (text[2] !== ':' || text[5] !== ':') return 'missing colon in correct place'
  const parts = text.slice(0, 8).split(':')
  if (!parts.every(part => /^[-+]?\d+$/.test(part))) return 'invalid hour/min/sec'
  const [hour, minute, second] = parts.map(Number) as [number, number, number]
  if (hour > 23 || minute > 59 || second > 60) return 'hour/min/sec out of range'
  const rest = text.slice(8)
  if (/^\.(?!\d)/.test(rest)) return 'no digits in second fraction'
  const offset = offsetMinutes(rest.replace(/^\.\d+/, ''))
  if (typeof offset === 'string') return offset
  const utc = (hour * 60 + minute - offset + 24 * 60) % (24 * 60)
  return second >= 60 && utc !== 24 * 60 - 1 ? 'invalid leap second' : undefined
}

/** Minutes east of Greenwich, or what is wrong. */
function offsetMinutes(text: string): number | string {
  if (/^z$/i.test(text)) return 0
  if (text.length !== 6) return 'offset must be 6 characters long'
  if (!/^[-+]/.test(text)) return 'offset must begin with plus/minus'
  if (text[3] !== ':') return 'missing colon in offset in correct place'
  const [hours, minutes] = [text.slice(1, 3), text.slice(4)]
  if (!/^\d+$/.test(hours) || !/^\d+$/.test(minutes)) return 'invalid hour/min in offset'
  if (Number(hours) > 23 || Number(minutes) > 59) return 'hour/min in offset out of range'
  return (text.startsWith('-') ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
}

function dateTime(text: string): string | undefined {
  if (text.length < 20) return 'less than 20 characters long'
  if (!/^.{10}t/is.test(text)) return '11th character must be t or T'
  return (
    prefixed('invalid date element', date(text.slice(0, 10))) ?? prefixed('invalid time element', time(text.slice(11)))
  )
}

/** As lenient as Go's net/url. */
function url(text: string, absolute: boolean): string | undefined {
  const parse = `parse ${quote(text)}`
  if (/[\p{Cc}]/u.test(text)) return `${parse}: net/url: invalid control character in URL`
  if (text.startsWith(':')) return `${parse}: missing protocol scheme`
  const badEscape = /%(?![0-9a-f]{2})/i.exec(text)
  if (badEscape) return `${parse}: invalid URL escape ${quote(text.slice(badEscape.index, badEscape.index + 3))}`
  const hasScheme = /^[a-z][a-z0-9+.-]*:/i.test(text)
  if (!hasScheme && /^[^/?#]*:/.test(text)) return `${parse}: first path segment in URL cannot contain colon`
  const host = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)/i.exec(text)?.[1] ?? ''
  const authority = host.slice(host.lastIndexOf('@') + 1)
  if (/[ "<>\\^`{|}]/.test(authority))
    return `${parse}: invalid character ${quote(/[ "<>\\^`{|}]/.exec(authority)![0])} in host name`
  const port = /:([^\]]*)$/.exec(authority)
  if (port && !/^\d*$/.test(port[1]!)) return `${parse}: invalid port ${quote(port[0])} after host`
  return absolute && !hasScheme ? 'relative url' : undefined
}

function uriTemplate(text: string): string | undefined {
  const wrong = url(text, false)
  if (wrong) return wrong
  let depth = 0
  for (const brace of text.replace(/[^{}]/g, '')) {
    depth += brace === '{' ? 1 : -1
    if (depth > 1 || depth < 0) return 'nested curly braces'
  }
  return depth === 0 ? undefined : 'no matching closing brace'
}

function semver(text: string): string | undefined {
  const identifier = '(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)'
  const whole = new RegExp(
    `^(?:0|[1-9]\\d*)(?:\\.(?:0|[1-9]\\d*)){2}(?:-${identifier}(?:\\.${identifier})*)?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
  )
  return whole.test(text) ? undefined : 'invalid version'
}

function regex(text: string): string | undefined {
  try {
    schemaPattern(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
