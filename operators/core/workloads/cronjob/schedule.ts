/** Cron schedules: when one fires next. Syntax and rules, also those around clock changes, are robfig/cron's. */
import { cronDescriptors } from '../../../../bootstrap/api/cron.ts'
import { parseDuration } from '../../../../bootstrap/api/time.ts'
import type { TimeZone } from './time-zone.ts'

export interface Schedule {
  /** The first time after `after` (milliseconds since the epoch); undefined when there is none within five years. */
  next(after: number): number | undefined
}

/** The values of one field; `any` when it was given as `*` or `?`. */
interface Field {
  readonly values: ReadonlySet<number>
  readonly any: boolean
}

interface Fields {
  readonly minute: Field
  readonly hour: Field
  readonly day: Field
  readonly month: Field
  readonly weekday: Field
}

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const secondMs = 1000
const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000
const searchYears = 5

const bounds: { readonly [name in keyof Fields]: Bounds } = {
  minute: { min: 0, max: 59 },
  hour: { min: 0, max: 23 },
  day: { min: 1, max: 31 },
  month: {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  weekday: { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
}

/** Reads five fields, a descriptor or "@every DURATION". Throws SyntaxError. */
export function parseSchedule(text: string, zone: TimeZone): Schedule {
  const every = /^@every (.+)$/.exec(text)?.[1]
  if (every !== undefined) return interval(every)
  const spec = text.startsWith('@') ? cronDescriptors[text] : text
  if (spec === undefined) throw new SyntaxError(`unrecognized descriptor: ${text}`)
  const fields = fieldsOf(spec)
  return { next: after => search(fields, zone, after) }
}

function interval(text: string): Schedule {
  const duration = parseDuration(text)
  if (duration === undefined) throw new SyntaxError(`failed to parse duration @every ${text}`)
  const step = Math.max(secondMs, duration - (duration % secondMs))
  return { next: after => after + step - (after % secondMs) }
}

function fieldsOf(spec: string): Fields {
  const parts = spec.trim().split(/\s+/)
  if (parts.length !== 5)
    throw new SyntaxError(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`)
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = parts
  return {
    minute: fieldOf(minute, bounds.minute),
    hour: fieldOf(hour, bounds.hour),
    day: fieldOf(day, bounds.day),
    month: fieldOf(month, bounds.month),
    weekday: fieldOf(weekday, bounds.weekday),
  }
}

function fieldOf(text: string, limits: Bounds): Field {
  const ranges = text.split(',').map(range => rangeOf(range, limits))
  return { values: new Set(ranges.flatMap(range => [...range.values])), any: ranges.some(range => range.any) }
}

function rangeOf(text: string, limits: Bounds): Field {
  const [range = '', stepText, ...moreSteps] = text.split('/')
  const [first = '', last, ...more] = range.split('-')
  if (moreSteps.length > 0) throw new SyntaxError(`too many slashes: ${text}`)
  if (more.length > 0) throw new SyntaxError(`too many hyphens: ${text}`)
  const whole = range === '*' || range === '?'
  const step = stepText === undefined ? 1 : numberOf(stepText)
  const low = whole ? limits.min : wordValue(first, limits)
  const toTheEnd = whole || (last === undefined && stepText !== undefined)
  const high = toTheEnd ? limits.max : last === undefined ? low : wordValue(last, limits)
  if (low < limits.min) throw new SyntaxError(`beginning of range (${low}) below minimum (${limits.min}): ${text}`)
  if (high > limits.max) throw new SyntaxError(`end of range (${high}) above maximum (${limits.max}): ${text}`)
  if (low > high) throw new SyntaxError(`beginning of range (${low}) beyond end of range (${high}): ${text}`)
  if (step === 0) throw new SyntaxError(`step of range should be a positive number: ${text}`)
  const values = new Set<number>()
  for (let value = low; value <= high; value += step) values.add(value)
  return { values, any: whole && step === 1 }
}

function wordValue(text: string, { min, names }: Bounds): number {
  const index = names?.indexOf(text.toLowerCase()) ?? -1
  return index >= 0 ? index + min : numberOf(text)
}

function numberOf(text: string): number {
  if (!/^\+?\d+$/.test(text)) throw new SyntaxError(`failed to parse int from ${text}`)
  return Number(text)
}

/**
 * Days are sought on the calendar, hours and minutes by the clock on the wall while time goes on evenly: what a clock
 * change skips does not fire, and what it repeats fires again.
 */
function search(fields: Fields, zone: TimeZone, after: number): number | undefined {
  let time = (Math.floor(after / minuteMs) + 1) * minuteMs
  const lastYear = new Date(zone.local(time)).getUTCFullYear() + searchYears
  for (;;) {
    const local = zone.local(time)
    const wall = new Date(local)
    const today = local - (local % dayMs)
    const day = matchingDay(fields, today, lastYear)
    if (day === undefined) return undefined
    if (day !== today) time = startOfDay(day, zone)
    else if (!fields.hour.values.has(wall.getUTCHours())) time += hourMs - (local % hourMs)
    else if (!fields.minute.values.has(wall.getUTCMinutes())) time += minuteMs
    else return time
  }
}

/** The first instant of a day: where the clocks skip midnight, that is later than 0:00. */
function startOfDay(day: number, zone: TimeZone): number {
  const time = zone.instant(day)
  return zone.local(time) < day ? time + hourMs : time
}

/** The first day from `day` on that the fields name, as wall clock time; undefined past `lastYear`. */
function matchingDay({ day: days, month: months, weekday: weekdays }: Fields, day: number, lastYear: number) {
  for (let candidate = day; ; candidate += dayMs) {
    const date = new Date(candidate)
    if (date.getUTCFullYear() > lastYear) return undefined
    if (!months.values.has(date.getUTCMonth() + 1)) continue
    const byDay = days.values.has(date.getUTCDate())
    const byWeekday = weekdays.values.has(date.getUTCDay())
    if (days.any || weekdays.any ? byDay && byWeekday : byDay || byWeekday) return candidate
  }
}
