/**
 * Local time, as Go's time package reckons it: of this process, and of the IANA zones. Those are asked of `Intl`, which takes
 * 9 MB when it is first asked anything, so it is asked for zones that somebody named, and for nothing else.
 */

/** Converts between points in time and wall clocks, both in milliseconds; a wall clock is written as if it were UTC. */
export interface TimeZone {
  readonly name: string
  /** What the wall clock shows. */
  local(ms: number): number
  /** When the wall clock shows `local`: the first time it does, and the hour before a gap that skips it. */
  instant(local: number): number
}

export const utc: TimeZone = { name: 'UTC', local: ms => ms, instant: local => local }

const quarterMs = 15 * 60_000
const utcNames = new Set(['UTC', 'Etc/UTC', 'GMT', 'Etc/GMT'])
const zones = new Map<string, TimeZone>()

/** The zone, or undefined when there is none of that name. Zones are kept: the runtime takes long to make one. */
export function timeZone(name: string): TimeZone | undefined {
  const known = zones.get(name)
  if (known) return known
  const zone = /^[A-Za-z]/.test(name) ? makeZone(name) : undefined
  if (zone) zones.set(name, zone)
  return zone
}

/** The zone this process runs in, which upstream's programs take for schedules that name none. */
export const systemZone: TimeZone = zoneOf('Local', ms => -new Date(ms).getTimezoneOffset() * 60_000)

function makeZone(name: string): TimeZone | undefined {
  if (utcNames.has(name)) return utc
  const offset = offsets(name)
  return offset && zoneOf(name, offset)
}

/** `offset` is in milliseconds east of UTC. */
function zoneOf(name: string, offset: (ms: number) => number): TimeZone {
  return {
    name,
    local: ms => ms + offset(ms),
    instant: local => local - offset(local - offset(local)),
  }
}

/** Milliseconds east of UTC. Zones change on quarters of an hour, so one answer serves its whole quarter. */
function offsets(name: string): ((ms: number) => number) | undefined {
  const format = formatOf(name)
  if (!format) return undefined
  let quarter = Number.NaN
  let offset = 0
  return ms => {
    const asked = Math.floor(ms / quarterMs)
    if (asked !== quarter) {
      offset = offsetIn(format.format(asked * quarterMs))
      quarter = asked
    }
    return offset
  }
}

function formatOf(name: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
  } catch {
    return undefined
  }
}

/** Reads the end of "1/1/2026, GMT-03:30"; UTC itself shows no figures. */
function offsetIn(text: string): number {
  const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(text) ?? []
  const size = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000
  return sign === '-' ? -size : size
}

/** RFC 3339 in the zone: "2026-07-01T09:00:00+02:00". */
export function zonedTimestamp(ms: number, zone: TimeZone): string {
  const local = zone.local(ms)
  const clock = new Date(local).toISOString().slice(0, 19)
  const minutes = Math.round(Math.abs(local - ms) / 60_000)
  if (minutes === 0) return `${clock}Z`
  const two = (value: number) => String(value).padStart(2, '0')
  return `${clock}${local < ms ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
