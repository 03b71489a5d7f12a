/** time.Format and time.Parse: dates by a layout that shows how Mon Jan 2 15:04:05 MST 2006 would look. */

import { bytesOf } from '../template/bytes.ts'
import { GoError } from '../template/functions.ts'
import { fixedZone, utc, type Zone } from './zones.ts'

/** The time package quotes in a way of its own: bytes beyond ASCII are escaped. */
function quote(text: string): string {
  const escaped = Array.from(bytesOf(text), byte => {
    if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`
    return byte < 0x20 || byte >= 0x80 ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte)
  })
  return `"${escaped.join('')}"`
}

/** An instant in nanoseconds since 1970, seen from a zone. */
export interface Instant {
  readonly nanoseconds: bigint
  readonly zone: Zone
}

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

export function monthName(month: number): string {
  return months[month - 1] ?? `%!Month(${month})`
}
export function weekdayName(day: number): string {
  return weekdays[day]!
}

const element =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm|-07(?::00:00|:00|0000|00)?|Z07(?::00:00|:00|0000|00)?|[.,](?:0+|9+)(?![0-9])/g

type Part = { readonly literal: string } | { readonly element: string }

function partsOf(layout: string): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const match of layout.matchAll(element)) {
    if (match.index > end) parts.push({ literal: layout.slice(end, match.index) })
    parts.push({ element: match[0] })
    end = match.index + match[0].length
  }
  if (end < layout.length) parts.push({ literal: layout.slice(end) })
  return parts
}

/** The parts of a date in a zone. */
export interface Civil {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly nanosecond: number
  readonly weekday: number
  readonly yearDay: number
  readonly abbreviation: string
  readonly offset: number
}

const million = 1_000_000n
const billion = 1_000_000_000n

function floorDivide(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by
}

export function civilOf({ nanoseconds, zone }: Instant): Civil {
  const { abbreviation, offset } = zone.at(Number(floorDivide(nanoseconds, million)))
  const seconds = floorDivide(nanoseconds, billion)
  const date = new Date((Number(seconds) + offset) * 1000)
  const year = date.getUTCFullYear()
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    nanosecond: Number(nanoseconds - seconds * billion),
    weekday: date.getUTCDay(),
    yearDay: Math.floor((date.getTime() - utcTime(year, 1, 1)) / 86_400_000) + 1,
    abbreviation,
    offset,
  }
}

/** Date.UTC without its special years 0 to 99. */
export function utcTime(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number {
  const date = new Date(Date.UTC(2000, 0, 1, hour, minute, second))
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime()
}

function padded(value: number, width: number, fill = '0'): string {
  return String(Math.abs(value)).padStart(width, fill)
}

export function formatInstant(instant: Instant, layout: string): string {
  const civil = civilOf(instant)
  return partsOf(layout)
    .map(part => ('literal' in part ? part.literal : formatElement(part.element, civil)))
    .join('')
}

function formatElement(name: string, civil: Civil): string {
  const hour12 = civil.hour % 12 || 12
  switch (name) {
    case '2006':
      return (civil.year < 0 ? '-' : '') + padded(civil.year, 4)
    case '06':
      return padded(civil.year % 100, 2)
    case 'January':
      return monthName(civil.month)
    case 'Jan':
      return monthName(civil.month).slice(0, 3)
    case '01':
      return padded(civil.month, 2)
    case '1':
      return String(civil.month)
    case 'Monday':
      return weekdayName(civil.weekday)
    case 'Mon':
      return weekdayName(civil.weekday).slice(0, 3)
    case '02':
      return padded(civil.day, 2)
    case '_2':
      return padded(civil.day, 2, ' ')
    case '2':
      return String(civil.day)
    case '002':
      return padded(civil.yearDay, 3)
    case '__2':
      return padded(civil.yearDay, 3, ' ')
    case '15':
      return padded(civil.hour, 2)
    case '03':
      return padded(hour12, 2)
    case '3':
      return String(hour12)
    case '04':
      return padded(civil.minute, 2)
    case '4':
      return String(civil.minute)
    case '05':
      return padded(civil.second, 2)
    case '5':
      return String(civil.second)
    case 'PM':
      return civil.hour >= 12 ? 'PM' : 'AM'
    case 'pm':
      return civil.hour >= 12 ? 'pm' : 'am'
    case 'MST':
      return civil.abbreviation || formatOffset('-0700', civil.offset)
    default:
      return /^[.,]/.test(name) ? formatFraction(name, civil.nanosecond) : formatOffset(name, civil.offset)
  }
}

function formatFraction(name: string, nanosecond: number): string {
  const digits = padded(nanosecond, 9).slice(0, name.length - 1)
  if (name[1] === '0') return name[0] + digits.padEnd(name.length - 1, '0')
  const shown = digits.replace(/0+$/, '')
  return shown ? name[0] + shown : ''
}

function formatOffset(name: string, offset: number): string {
  if (name.startsWith('Z') && offset === 0) return 'Z'
  const total = Math.abs(offset)
  const fields = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60].map(value => padded(value, 2))
  const count = name.replace(/[^0-9]/g, '').length / 2
  return (offset < 0 ? '-' : '+') + fields.slice(0, count).join(name.includes(':') ? ':' : '')
}

interface Parsed {
  year: number
  month: number
  day: number
  yearDay: number
  hour: number
  minute: number
  second: number
  nanosecond: number
  afternoon: 'pm' | 'am' | undefined
  offset: number | undefined
  abbreviation: string | undefined
}

/** What an element matches at the start of the text: how much of it, and what that sets. */
type Reading = { readonly length: number; readonly set?: Partial<Parsed>; readonly range?: string } | undefined

/** time.ParseInLocation; throws GoError with Go's message. */
export function parseInstant(layout: string, text: string, zone: Zone): Instant {
  const parsed: Parsed = {
    year: 0,
    month: -1,
    day: -1,
    yearDay: -1,
    hour: 0,
    minute: 0,
    second: 0,
    nanosecond: 0,
    afternoon: undefined,
    offset: undefined,
    abbreviation: undefined,
  }
  const parts = partsOf(layout)
  let rest = text
  for (const [index, part] of parts.entries()) {
    if ('literal' in part) {
      rest = skipLiteral(rest, part.literal, layout, text)
      continue
    }
    const next = parts[index + 1]
    const fractionFollows = next !== undefined && 'element' in next && /^[.,]/.test(next.element)
    const reading = readElement(part.element, rest, fractionFollows)
    if (!reading) throw cannotParse(text, layout, rest, part.element)
    if (reading.range) throw new GoError(`parsing time ${quote(text)}: ${reading.range} out of range`)
    Object.assign(parsed, reading.set)
    rest = rest.slice(reading.length)
  }
  if (rest !== '') throw new GoError(`parsing time ${quote(text)}: extra text: ${quote(rest)}`)
  return instantOf(parsed, text, zone)
}

function cannotParse(text: string, layout: string, rest: string, wanted: string): GoError {
  return new GoError(`parsing time ${quote(text)} as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(wanted)}`)
}

/** Runs of spaces match any number of spaces. */
function skipLiteral(text: string, literal: string, layout: string, whole: string): string {
  let rest = text
  let wanted = literal
  while (wanted !== '') {
    if (wanted[0] === ' ') {
      if (rest !== '' && rest[0] !== ' ') throw cannotParse(whole, layout, rest, wanted)
      wanted = wanted.replace(/^ +/, '')
      rest = rest.replace(/^ +/, '')
    } else if (rest[0] === wanted[0]) {
      wanted = wanted.slice(1)
      rest = rest.slice(1)
    } else throw cannotParse(whole, layout, rest, wanted)
  }
  return rest
}

function readNumber(text: string, fixed: boolean): { value: number; length: number } | undefined {
  const match = (fixed ? /^[0-9]{2}/ : /^[0-9]{1,2}/).exec(text)
  return match ? { value: Number(match[0]), length: match[0].length } : undefined
}

function ranged(
  text: string,
  fixed: boolean,
  name: string,
  least: number,
  most: number,
  set: (value: number) => Partial<Parsed>,
): Reading {
  const number = readNumber(text, fixed)
  if (!number) return undefined
  const { value, length } = number
  return value < least || value > most ? { length, range: name } : { length, set: set(value) }
}

function named(text: string, names: readonly string[], length?: number): { index: number; length: number } | undefined {
  for (const [index, name] of names.entries()) {
    const wanted = name.slice(0, length)
    if (text.slice(0, wanted.length).toLowerCase() === wanted.toLowerCase()) return { index, length: wanted.length }
  }
  return undefined
}

function readElement(name: string, text: string, fractionFollows: boolean): Reading {
  switch (name) {
    case '2006': {
      const match = /^[0-9]{4}/.exec(text)
      return match ? { length: 4, set: { year: Number(match[0]) } } : undefined
    }
    case '06': {
      const number = readNumber(text, true)
      return number && { length: 2, set: { year: number.value + (number.value >= 69 ? 1900 : 2000) } }
    }
    case 'January':
    case 'Jan': {
      const found = named(text, months, name === 'Jan' ? 3 : undefined)
      return found && { length: found.length, set: { month: found.index + 1 } }
    }
    case '01':
    case '1':
      return ranged(text, name === '01', 'month', 1, 12, month => ({ month }))
    case 'Monday':
    case 'Mon': {
      const found = named(text, weekdays, name === 'Mon' ? 3 : undefined)
      return found && { length: found.length }
    }
    case '02':
    case '_2':
    case '2':
      return readDay(name, text)
    case '002':
    case '__2':
      return readYearDay(name, text)
    case '15':
      return ranged(text, false, 'hour', 0, 23, hour => ({ hour }))
    case '03':
    case '3':
      return ranged(text, name === '03', 'hour', 0, 12, hour => ({ hour }))
    case '04':
    case '4':
      return ranged(text, name === '04', 'minute', 0, 59, minute => ({ minute }))
    case '05':
    case '5':
      return readSecond(name, text, fractionFollows)
    case 'PM':
    case 'pm': {
      const mark = text.slice(0, 2)
      const found = name === 'PM' ? { PM: 'pm', AM: 'am' }[mark] : { pm: 'pm', am: 'am' }[mark]
      return found ? { length: 2, set: { afternoon: found as 'am' | 'pm' } } : undefined
    }
    case 'MST':
      return readAbbreviation(text)
    default:
      return /^[.,]/.test(name) ? readFraction(name, text) : readOffset(name, text)
  }
}

function readDay(name: string, text: string): Reading {
  const skip = name === '_2' && text[0] === ' ' ? 1 : 0
  const number = readNumber(text.slice(skip), name === '02')
  return number && { length: number.length + skip, set: { day: number.value } }
}

function readYearDay(name: string, text: string): Reading {
  const skip = name === '__2' ? /^ {0,2}/.exec(text)![0].length : 0
  const digits = text.slice(skip, 3)
  return /^[0-9]+$/.test(digits) && text.length >= 3 ? { length: 3, set: { yearDay: Number(digits) } } : undefined
}

function readSecond(name: string, text: string, fractionFollows: boolean): Reading {
  const reading = ranged(text, name === '05', 'second', 0, 59, second => ({ second }))
  if (!reading || reading.range || fractionFollows) return reading
  // Fractions are taken even where the layout has none.
  const fraction = /^[.,][0-9]+/.exec(text.slice(reading.length))
  if (!fraction) return reading
  const nanosecond = nanosecondsOf(fraction[0].slice(1))
  return { length: reading.length + fraction[0].length, set: { ...reading.set, nanosecond } }
}

function nanosecondsOf(digits: string): number {
  return Number(digits.slice(0, 9).padEnd(9, '0'))
}

function readFraction(name: string, text: string): Reading {
  if (name[1] === '9') {
    const match = /^[.,]([0-9]+)/.exec(text)
    return match ? { length: match[0].length, set: { nanosecond: nanosecondsOf(match[1]!) } } : { length: 0 }
  }
  const digits = text.slice(1, name.length)
  if (!/^[.,]/.test(text) || digits.length !== name.length - 1 || !/^[0-9]+$/.test(digits)) return undefined
  return { length: name.length, set: { nanosecond: nanosecondsOf(digits) } }
}

function readOffset(name: string, text: string): Reading {
  if (name.startsWith('Z') && text[0] === 'Z') return { length: 1, set: { offset: 0, abbreviation: 'UTC' } }
  const shape = name.slice(1).replaceAll(/[0-9]/g, '[0-9]')
  const match = new RegExp(`^([+-])(${shape})`).exec(text)
  if (!match) return undefined
  const [hours = 0, minutes = 0, seconds = 0] = match[2]!.replaceAll(':', '').match(/../g)!.map(Number)
  if (hours > 24) return { length: 0, range: 'time zone offset hour' }
  if (minutes > 60) return { length: 0, range: 'time zone offset minute' }
  const offset = (match[1] === '-' ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds)
  return { length: match[0].length, set: { offset, abbreviation: undefined } }
}

function readAbbreviation(text: string): Reading {
  if (text.startsWith('UTC')) return { length: 3, set: { offset: 0, abbreviation: 'UTC' } }
  const match = /^(?:GMT[+-][0-9]{1,2}|[+-][0-9]{2}|ChST|MeST|[A-Z]{3,5}(?![A-Z]))/.exec(text)
  return match ? { length: match[0].length, set: { abbreviation: match[0] } } : undefined
}

function instantOf(parsed: Parsed, text: string, zone: Zone): Instant {
  const fail = (what: string): GoError => new GoError(`parsing time ${quote(text)}: ${what} out of range`)
  const { year } = parsed
  let { month, day, hour } = parsed
  if (parsed.afternoon === 'pm' && hour < 12) hour += 12
  else if (parsed.afternoon === 'am' && hour === 12) hour = 0
  if (parsed.yearDay >= 0) {
    const date = new Date(utcTime(year, 1, 1) + (parsed.yearDay - 1) * 86_400_000)
    if (parsed.yearDay < 1 || date.getUTCFullYear() !== year) throw fail('day-of-year')
    month = date.getUTCMonth() + 1
    day = date.getUTCDate()
  }
  if (month < 0) month = 1
  if (day < 0) day = 1
  if (day < 1 || new Date(utcTime(year, month, day)).getUTCMonth() !== month - 1) throw fail('day')
  const local = utcTime(year, month, day, hour, parsed.minute, parsed.second)
  return inZone(local, parsed, zone)
}

function inZone(local: number, { offset, abbreviation, nanosecond }: Parsed, zone: Zone): Instant {
  const at = (milliseconds: number): bigint => BigInt(milliseconds) * million + BigInt(nanosecond)
  if (offset !== undefined) {
    const own = zone.at(local - offset * 1000)
    if (abbreviation === 'UTC') return { nanoseconds: at(local), zone: utc }
    const nanoseconds = at(local - offset * 1000)
    return own.offset === offset ? { nanoseconds, zone } : { nanoseconds, zone: fixedZone('', offset) }
  }
  if (abbreviation !== undefined && zone.at(local).abbreviation !== abbreviation) {
    const hours = /^GMT([+-][0-9]+)/.exec(abbreviation)
    const shift = hours ? Number(hours[1]) * 3600 : 0
    return { nanoseconds: at(local - shift * 1000), zone: fixedZone(abbreviation, shift) }
  }
  const guess = zone.at(local).offset
  const settled = zone.at(local - guess * 1000).offset
  return { nanoseconds: at(local - settled * 1000), zone }
}
