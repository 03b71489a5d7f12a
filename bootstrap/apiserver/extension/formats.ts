/** The string formats a CRD's schema may ask for; unknown ones are not checked. */
import { isIP, isIPv4, isIPv6 } from 'node:net'
import { subdomainErrors } from '../../api/labels.ts'
import { parseDuration, parseTime } from '../../api/time.ts'

const uuid = (version: string) =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i')
const matches = (pattern: RegExp) => (text: string) => pattern.test(text)

function isCidr(text: string): boolean {
  const [address = '', bits = ''] = text.split('/')
  return isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128)
}

function isDate(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && parseTime(`${text}T00:00:00Z`) !== undefined
}

function isUri(text: string): boolean {
  return URL.canParse(text)
}

const formats: { readonly [format: string]: (text: string) => boolean } = {
  'date-time': text => parseTime(text.replace('t', 'T').replace('z', 'Z')) !== undefined,
  datetime: text => parseTime(text) !== undefined,
  date: isDate,
  duration: text => parseDuration(text) !== undefined,
  uri: isUri,
  email: matches(/^[^\s@<>]+@[^\s@<>]+$/),
  hostname: text => subdomainErrors(text.toLowerCase()).length === 0,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: matches(/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i),
  uuid: matches(uuid('[0-9a-f]')),
  uuid3: matches(uuid('3')),
  uuid4: matches(uuid('4')),
  uuid5: matches(uuid('5')),
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  isbn10: matches(/^(?:\d[- ]?){9}[\dX]$/),
  isbn13: matches(/^(?:\d[- ]?){12}\d$/),
  creditcard: matches(/^(?:\d[ -]?){12,18}\d$/),
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: matches(/^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/),
}

/** Whether a text has a format; true for formats nobody knows. */
export function hasFormat(text: string, format: string): boolean {
  return formats[format]?.(text) ?? true
}

const integerRange: { readonly [format: string]: number } = { int32: 2 ** 31, int64: 2 ** 63 }

export function fitsFormat(value: number, format: string): boolean {
  const limit = integerRange[format]
  return limit === undefined || (value >= -limit && value <= limit - 1)
}
