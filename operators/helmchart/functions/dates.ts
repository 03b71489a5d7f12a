/** Sprig's functions over dates. */
import { type FunctionTable, goFunction } from '../template/functions.ts'
import { parseDecimalInt64 } from '../template/numbers.ts'
import { GoInteger, GoStruct, type GoType, type GoValue } from '../template/values.ts'
import { parseInstant } from './date-reader.ts'
import { durationType, formatDuration, goDuration, parseDuration, roundDuration } from './durations.ts'
import { civilOf, formatInstant, type Instant, monthName, utcTime, weekdayName } from './layouts.ts'
import { loadZone, utc } from './zones.ts'

const billion = 1_000_000_000n
const timeType: GoType = { name: 'time.Time', kind: 'struct' }
const goTypes = { time: timeType, duration: durationType }
/** The first of January of year 1. */
const zeroTime = -62_135_596_800n * billion

/** A time.Time with the methods templates call. */
export function goTime(instant: Instant): GoStruct {
  const text = (): string => formatInstant(instant, '2006-01-02 15:04:05.999999999 -0700 MST')
  const json = (): string => formatInstant(instant, '2006-01-02T15:04:05.999999999Z07:00')
  return new GoStruct('time.Time', {}, { hidden: instant, text, json, methods: timeMethods(instant, text) })
}

function instantOf(time: GoStruct): Instant {
  return time.hidden as Instant
}

const monthType: GoType = { name: 'time.Month', kind: 'int' }
const weekdayType: GoType = { name: 'time.Weekday', kind: 'int' }

function namedInteger(type: GoType, value: number, text: string): GoInteger {
  return new GoInteger(type, BigInt(value), {
    text: () => text,
    methods: { String: goFunction('-> string', () => text) },
  })
}

function timeMethods(instant: Instant, text: () => string): FunctionTable {
  const { nanoseconds, zone } = instant
  const civil = (): ReturnType<typeof civilOf> => civilOf(instant)
  const moved = (by: bigint): GoStruct => goTime({ nanoseconds: nanoseconds + by, zone })
  const seconds = (nanoseconds - (((nanoseconds % billion) + billion) % billion)) / billion
  const compare = (other: GoStruct): number => Number(nanoseconds - instantOf(other).nanoseconds)
  return {
    String: goFunction('-> string', text),
    Format: goFunction('string -> string', (layout: string) => formatInstant(instant, layout)),
    Unix: goFunction('-> int64', () => seconds),
    UnixMilli: goFunction('-> int64', () => nanoseconds / 1_000_000n),
    UnixMicro: goFunction('-> int64', () => nanoseconds / 1_000n),
    UnixNano: goFunction('-> int64', () => nanoseconds),
    Year: goFunction('-> int', () => civil().year),
    Month: goFunction('-> value', () => namedInteger(monthType, civil().month, monthName(civil().month))),
    Day: goFunction('-> int', () => civil().day),
    Hour: goFunction('-> int', () => civil().hour),
    Minute: goFunction('-> int', () => civil().minute),
    Second: goFunction('-> int', () => civil().second),
    Nanosecond: goFunction('-> int', () => civil().nanosecond),
    Weekday: goFunction('-> value', () => namedInteger(weekdayType, civil().weekday, weekdayName(civil().weekday))),
    YearDay: goFunction('-> int', () => civil().yearDay),
    IsZero: goFunction('-> bool', () => nanoseconds === zeroTime),
    UTC: goFunction('-> value', () => goTime({ nanoseconds, zone: utc })),
    Local: goFunction('-> value', () => goTime({ nanoseconds, zone: utc })),
    Add: goFunction('duration -> value', (by: bigint) => moved(by), goTypes),
    Sub: goFunction(
      'time -> value',
      (other: GoStruct) => goDuration(nanoseconds - instantOf(other).nanoseconds),
      goTypes,
    ),
    AddDate: goFunction('int, int, int -> value', (years: number, months: number, days: number) => {
      const { year, month, day, hour, minute, second, offset } = civil()
      const local = utcTime(year + years, month + months, day + days, hour, minute, second)
      const whole = BigInt(local) * 1_000_000n - BigInt(offset) * billion
      return goTime({ nanoseconds: whole + (nanoseconds - seconds * billion), zone })
    }),
    Before: goFunction('time -> bool', (other: GoStruct) => compare(other) < 0, goTypes),
    After: goFunction('time -> bool', (other: GoStruct) => compare(other) > 0, goTypes),
    Equal: goFunction('time -> bool', (other: GoStruct) => compare(other) === 0, goTypes),
    Compare: goFunction('time -> int', (other: GoStruct) => Math.sign(compare(other)), goTypes),
  }
}

/** Sprig's functions; `now` is in milliseconds since 1970. */
export function dateFunctions(now: () => number): FunctionTable {
  const current = (): bigint => BigInt(Math.round(now() * 1000)) * 1000n
  const fromValue = (value: GoValue, kinds: readonly string[]): bigint => {
    if (value instanceof GoStruct && value.type.name === timeType.name) return instantOf(value).nanoseconds
    if (typeof value === 'bigint') return value * billion
    if (value instanceof GoInteger && kinds.includes(value.type.name)) return value.value * billion
    return current()
  }
  const inZone = (layout: string, value: GoValue, zone: string): string =>
    formatInstant({ nanoseconds: fromValue(value, ['int64', 'int32']), zone: loadZone(zone) ?? utc }, layout)
  const date = goFunction('string, any -> string', (layout: string, value: GoValue) => inZone(layout, value, 'Local'))
  const dateInZone = goFunction('string, any, string -> string', inZone)
  const dateModify = goFunction('string, time -> time', modified, goTypes)
  const mustDateModify = goFunction('string, time -> time', shifted, goTypes)
  const toDate = (layout: string, text: string): GoStruct => goTime(parseInstant(layout, text, utc))
  return {
    now: goFunction('-> time', () => goTime({ nanoseconds: current(), zone: utc }), goTypes),
    date,
    dateInZone,
    date_in_zone: dateInZone,
    htmlDate: goFunction('any -> string', (value: GoValue) => inZone('2006-01-02', value, 'Local')),
    htmlDateInZone: goFunction('any, string -> string', (value: GoValue, zone: string) =>
      inZone('2006-01-02', value, zone),
    ),
    dateModify,
    date_modify: dateModify,
    mustDateModify,
    must_date_modify: mustDateModify,
    ago: goFunction('any -> string', (value: GoValue) => {
      const elapsed = current() - fromValue(value, ['int64'])
      return formatDuration(roundedSeconds(elapsed))
    }),
    duration: goFunction('any -> string', (value: GoValue) =>
      formatDuration(BigInt.asIntN(64, secondsOf(value) * billion)),
    ),
    durationRound: goFunction('any -> string', (value: GoValue) => roundDuration(spanOf(value, current))),
    toDate: goFunction(
      'string, string -> time',
      (layout: string, text: string) => {
        try {
          return toDate(layout, text)
        } catch {
          return goTime({ nanoseconds: zeroTime, zone: utc })
        }
      },
      goTypes,
    ),
    mustToDate: goFunction('string, string -> time', toDate, goTypes),
    unixEpoch: goFunction(
      'time -> string',
      (time: GoStruct) => {
        const { nanoseconds } = instantOf(time)
        return String((nanoseconds - (((nanoseconds % billion) + billion) % billion)) / billion)
      },
      goTypes,
    ),
  }
}

function shifted(by: string, time: GoStruct): GoStruct {
  const { nanoseconds, zone } = instantOf(time)
  return goTime({ nanoseconds: nanoseconds + parseDuration(by), zone })
}

function modified(by: string, time: GoStruct): GoStruct {
  try {
    return shifted(by, time)
  } catch {
    return time
  }
}

function roundedSeconds(nanoseconds: bigint): bigint {
  const half = nanoseconds < 0n ? -billion / 2n : billion / 2n
  return ((nanoseconds + half) / billion) * billion
}

function secondsOf(value: GoValue): bigint {
  if (typeof value === 'string') return parseDecimalInt64(value) ?? 0n
  return value instanceof GoInteger && value.type.name === 'int64' ? value.value : 0n
}

function spanOf(value: GoValue, current: () => bigint): bigint {
  if (value instanceof GoStruct && value.type.name === timeType.name) return current() - instantOf(value).nanoseconds
  if (value instanceof GoInteger && value.type.name === 'int64') return value.value
  if (typeof value !== 'string') return 0n
  try {
    return parseDuration(value)
  } catch {
    return 0n
  }
}
