/** time.Format: dates by a layout that shows how Mon Jan 2 15:04:05 MST 2006 would look. */

import type { Zone } from './zones.ts'

/** An instant in nanoseconds since 1970, seen from a zone. */
export interface Instant {
  readonly nanoseconds: bigint
  readonly zone: Zone
}

export const months = [
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
export const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']

export function monthName(month: number): string {
  return months[month - 1] ?? `%!Month(${month})`
}
export function weekdayName(day: number): string {
  return weekdays[day]!
}

const element =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5|PM|pm|-07(?::00:00|:00|0000|00)?|Z07(?::00:00|:00|0000|00)?|[.,](?:0+|9+)(?![0-9])/g

export type Part = { readonly literal: string } | { readonly element: string }

/** A layout in its elements and what stands between them. */
export function partsOf(layout: string): Part[] {
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

export const million = 1_000_000n
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
