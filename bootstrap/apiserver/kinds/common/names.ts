/** Checks of names and other short strings. Each returns upstream's explanations, none when the value is right. */
import { maxLength, patternText, subdomainErrors } from '../../../api/labels.ts'

const maxLabel = 63
const maxSubdomain = 253

const labelFormat = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainFormat = `${labelFormat}(\\.${labelFormat})*`
const label1035Format = '[a-z]([-a-z0-9]*[a-z0-9])?'
const wildcardFormat = `\\*\\.${subdomainFormat}`
const configKeyFormat = '[-._a-zA-Z0-9]+'
const headerFormat = '[-A-Za-z0-9]+'
const percentFormat = '[0-9]+%'

const whole = (format: string) => new RegExp(`^${format}$`)
const labelRegexp = whole(labelFormat)
const subdomainRegexp = whole(subdomainFormat)
const label1035Regexp = whole(label1035Format)
const wildcardRegexp = whole(wildcardFormat)
const configKeyRegexp = whole(configKeyFormat)
const headerRegexp = whole(headerFormat)
const percentRegexp = whole(percentFormat)

/** A check of one string. */
export type NameCheck = (value: string) => string[]

export function dnsLabel(value: string): string[] {
  const problems = value.length > maxLabel ? [maxLength(maxLabel)] : []
  if (labelRegexp.test(value)) return problems
  if (subdomainRegexp.test(value)) return [...problems, 'must not contain dots']
  const what =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
  return [...problems, patternText(what, labelFormat, ['my-name', '123-abc'])]
}

export const dnsSubdomain: NameCheck = subdomainErrors

export function dns1035Label(value: string): string[] {
  const problems = value.length > maxLabel ? [maxLength(maxLabel)] : []
  if (label1035Regexp.test(value)) return problems
  const what =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
  return [...problems, patternText(what, label1035Format, ['my-name', 'abc-123'])]
}

export function wildcardDnsSubdomain(value: string): string[] {
  if (wildcardRegexp.test(value)) return []
  const what =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
  return [patternText(what, wildcardFormat, ['*.example.com'])]
}

/** The name of a container port: an IANA service name. */
export function portName(value: string): string[] {
  const problems: string[] = []
  if (value.length > 15) problems.push(maxLength(15))
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  }
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)')
  if (value.includes('--')) problems.push('must not contain consecutive hyphens')
  if (value.startsWith('-') || value.endsWith('-')) problems.push('must not begin or end with a hyphen')
  return problems
}

export function portNumber(value: number): string[] {
  return value >= 1 && value <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}

export function environmentName(value: string): string[] {
  const problems = value === '' ? ['environment variable name must be non-empty'] : []
  if (/^[ -<>-~]*$/.test(value)) return problems
  return [
    ...problems,
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  ]
}

/** A key of ConfigMap or Secret data. */
export function configMapKey(value: string): string[] {
  const problems = value.length > maxSubdomain ? [maxLength(maxSubdomain)] : []
  if (!configKeyRegexp.test(value)) {
    const what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    problems.push(patternText(what, configKeyFormat, ['key.name', 'KEY_NAME', 'key-name']))
  }
  if (value === '.' || value === '..') problems.push(`must not be '${value}'`)
  else if (value.startsWith('..')) problems.push("must not start with '..'")
  return problems
}

export function httpHeaderName(value: string): string[] {
  if (headerRegexp.test(value)) return []
  return [
    patternText("a valid HTTP header must consist of alphanumeric characters or '-'", headerFormat, ['X-Header-Name']),
  ]
}

export function percent(value: string): string[] {
  if (percentRegexp.test(value)) return []
  const what = "a valid percent string must be a numeric string followed by an ending '%'"
  return [patternText(what, percentFormat, ['1%', '93%'])]
}

/** One segment of a URL path, the widest set of names (RBAC). */
export function pathSegment(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`]
  return ['/', '%'].filter(part => value.includes(part)).map(part => `may not contain '${part}'`)
}

const legacyIPText = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
const legacyCIDRText = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'

/** 4 or 6, or 0 when the text is no IP address. */
export function ipFamily(value: string): 0 | 4 | 6 {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(value)) return value.split('.').every(part => Number(part) <= 255) ? 4 : 0
  if (!value.includes(':') || value.includes('%')) return 0
  return URL.canParse(`http://[${value}]/`) ? 6 : 0
}

export function ipAddress(value: string): string[] {
  return ipFamily(value) === 0 ? [legacyIPText] : []
}

export function cidr(value: string): string[] {
  const slash = value.indexOf('/')
  const family = slash < 0 ? 0 : ipFamily(value.slice(0, slash))
  const bits = value.slice(slash + 1)
  const fits = /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  return family !== 0 && fits ? [] : [legacyCIDRText]
}
