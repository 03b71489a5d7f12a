/** time.Parse: reads dates by a layout, with Go's complaints. */
import { GoError } from '../template/functions.ts'
import { type Instant, million, months, partsOf, utcTime, weekdays } from './layouts.ts'
import { quoteTime } from './time-quote.ts'
import { fixedZone, utc, type Zone } from './zones.ts'

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
    if (reading.range) throw new GoError(`parsing time ${quoteTime(text)}: ${reading.range} out of range`)
    Object.assign(parsed, reading.set)
    rest = rest.slice(reading.length)
  }
  if (rest !== '') throw new GoError(`parsing time ${quoteTime(text)}: extra text: ${quoteTime(rest)}`)
  return instantOf(parsed, text, zone)
}

function cannotParse(text: string, layout: string, rest: string, wanted: string): GoError {
  return new GoError(
    `parsing time ${quoteTime(text)} as ${quoteTime(layout)}: cannot parse ${quoteTime(rest)} as ${quoteTime(wanted)}`,
  )
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
  const fail = (what: string): GoError => new GoError(`parsing time ${quoteTime(text)}: ${what} out of range`)
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
