/**
 * Cron schedules: of CronJobs and of snapshots, both by the one parser that upstream has for them (robfig/cron's standard
 * form). Syntax, complaints and the rules around clock changes are its own.
 */
import { durationProblem, parseDuration } from '../time.ts'
import { type TimeZone, timeZone, utc } from '../time-zone.ts'
import { type Fields, parseFields } from './fields.ts'

export interface CronSchedule {
  /** The first time after `after` (milliseconds since the epoch); undefined when there is none within five years. */
  next(after: number): number | undefined
}

const secondMs = 1000
const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000
const searchYears = 5
const every = '@every '

const descriptors: { readonly [name: string]: string } = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

/**
 * Reads five fields, a descriptor or "@every DURATION"; "TZ=ZONE " or "CRON_TZ=ZONE " before it names another zone than
 * `local`. Throws SyntaxError.
 */
export function parseCron(text: string, local: TimeZone): CronSchedule {
  if (text === '') throw new SyntaxError('empty spec string')
  const { spec, zone } = zoned(text, local)
  if (spec.startsWith(every)) return interval(spec)
  if (spec.startsWith('@') && !Object.hasOwn(descriptors, spec))
    throw new SyntaxError(`unrecognized descriptor: ${spec}`)
  const fields = parseFields(descriptors[spec] ?? spec)
  const isNever = Object.values(fields).some(({ values }) => values.size === 0)
  return { next: after => (isNever ? undefined : search(fields, zone, after)) }
}

/** What is wrong with a schedule, or undefined when it can be read. */
export function cronProblem(text: string): string | undefined {
  try {
    parseCron(text, utc)
    return undefined
  } catch (error) {
    return (error as SyntaxError).message
  }
}

function zoned(text: string, local: TimeZone): { readonly spec: string; readonly zone: TimeZone } {
  const prefix = /^(?:CRON_)?TZ=/.exec(text)?.[0]
  if (prefix === undefined) return { spec: text, zone: local }
  const space = text.indexOf(' ')
  // The parser upstream panics here; this is what the API server makes of it.
  if (space < 0) throw new SyntaxError('invalid schedule format: runtime error: slice bounds out of range [:-1]')
  const name = text.slice(prefix.length, space)
  const zone = name === 'Local' ? local : name === '' ? utc : timeZone(name)
  if (!zone) throw new SyntaxError(`provided bad location ${name}: unknown time zone ${name}`)
  return { spec: text.slice(space).trim(), zone }
}

function interval(spec: string): CronSchedule {
  const text = spec.slice(every.length)
  const problem = durationProblem(text)
  if (problem !== undefined) throw new SyntaxError(`failed to parse duration ${spec}: ${problem}`)
  const duration = parseDuration(text) ?? 0
  const step = Math.max(secondMs, duration - (duration % secondMs))
  return { next: after => after + step - (after % secondMs) }
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
