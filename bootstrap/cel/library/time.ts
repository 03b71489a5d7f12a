/** Timestamps and durations: limits, texts, and their methods (langdef.md "Timestamp/Duration"). */
import { CelError } from '../errors.ts'
import { fn, method, type Overload } from '../functions.ts'
import { duration, int, string, timestamp } from '../types.ts'
import { Duration, Timestamp } from '../values.ts'

const second = 1_000_000_000n
const earliest = -62_135_596_800n * second
const latest = 253_402_300_799n * second + (second - 1n)
/** What fits an int64 of nanoseconds. */
const longest = 2n ** 63n - 1n

export function checkedTimestamp(nanos: bigint): Timestamp {
  if (nanos < earliest || nanos > latest) throw new CelError('timestamp overflow')
  return new Timestamp(nanos)
}

export function checkedDuration(nanos: bigint): Duration {
  if (nanos < -longest - 1n || nanos > longest) throw new CelError('duration overflow')
  return new Duration(nanos)
}

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/

/** Throws CelError for a text that is no RFC 3339 time. */
export function parseTimestamp(text: string): Timestamp {
  const match = rfc3339.exec(text)
  const ms = match ? Date.parse(`${match[1]}T${match[2]}${match[4]!.toUpperCase()}`) : Number.NaN
  if (!match || Number.isNaN(ms)) throw new CelError(`invalid timestamp: ${JSON.stringify(text)}`)
  return checkedTimestamp(BigInt(ms) * 1_000_000n + BigInt((match[3] ?? '').padEnd(9, '0').slice(0, 9)))
}

const units: { readonly [unit: string]: bigint } = {
  h: 3600n * second,
  m: 60n * second,
  s: second,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
}

/** Go's durations: "1h30m", "-1.5s". Throws CelError for any other text. */
export function parseDuration(text: string): Duration {
  const match = /^([+-])?((?:\d+\.?\d*|\.\d+)(?:h|ms|us|µs|μs|ns|m|s))+$/.exec(text)
  if (!match && !/^[+-]?0$/.test(text)) throw new CelError(`invalid duration argument: ${JSON.stringify(text)}`)
  let nanos = 0n
  for (const [, whole = '', , fraction = '', unit] of text.matchAll(/(\d*)(\.(\d*))?(h|ms|us|µs|μs|ns|m|s)/g)) {
    const scale = units[unit!]!
    nanos += BigInt(whole || '0') * scale
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  return checkedDuration(text.startsWith('-') ? -nanos : nanos)
}

export function timestampText({ nanos }: Timestamp): string {
  const seconds = floorDivide(nanos, second)
  const fraction = nanos - seconds * second
  const base = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${base.replace(/^\+00/, '')}${fractionText(fraction)}Z`
}

export function durationText({ nanos }: Duration): string {
  const positive = nanos < 0n ? -nanos : nanos
  return `${nanos < 0n ? '-' : ''}${positive / second}${fractionText(positive % second)}s`
}

function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b < 0n ? quotient - 1n : quotient
}

/** The parts of a time in a zone: a name of the IANA database or an offset. */
function partsOf({ nanos }: Timestamp, zone: string): Date {
  const ms = Number(floorDivide(nanos, 1_000_000n))
  return new Date(ms + offsetMs(ms, zone))
}

function offsetMs(ms: number, zone: string): number {
  if (zone === '' || zone === 'UTC') return 0
  const offset = /^([+-])?(\d\d):(\d\d)$/.exec(zone)
  if (offset) return (offset[1] === '-' ? -1 : 1) * (Number(offset[2]) * 60 + Number(offset[3])) * 60_000
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, seconds) - Math.floor(ms / 1000) * 1000
  } catch {
    throw new CelError(`unknown time zone ${zone}`)
  }
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000)
}

const calendar: { readonly [name: string]: (date: Date) => number } = {
  getFullYear: date => date.getUTCFullYear(),
  getMonth: date => date.getUTCMonth(),
  getDate: date => date.getUTCDate(),
  getDayOfMonth: date => date.getUTCDate() - 1,
  getDayOfWeek: date => date.getUTCDay(),
  getDayOfYear: dayOfYear,
  getHours: date => date.getUTCHours(),
  getMinutes: date => date.getUTCMinutes(),
  getSeconds: date => date.getUTCSeconds(),
  getMilliseconds: date => date.getUTCMilliseconds(),
}

const ofDuration: { readonly [name: string]: (nanos: bigint) => bigint } = {
  getHours: nanos => nanos / (3600n * second),
  getMinutes: nanos => nanos / (60n * second),
  getSeconds: nanos => nanos / second,
  getMilliseconds: nanos => (nanos / 1_000_000n) % 1000n,
}

export const time: readonly Overload[] = [
  ...Object.entries(calendar).flatMap(([name, part]) => [
    method(name, [timestamp], int, (at: Timestamp) => BigInt(part(partsOf(at, '')))),
    method(name, [timestamp, string], int, (at: Timestamp, zone: string) => BigInt(part(partsOf(at, zone)))),
  ]),
  ...Object.entries(ofDuration).map(([name, part]) =>
    method(name, [duration], int, ({ nanos }: Duration) => part(nanos)),
  ),
  fn('timestamp', [string], timestamp, parseTimestamp),
  fn('timestamp', [timestamp], timestamp, (at: Timestamp) => at),
  fn('timestamp', [int], timestamp, (seconds: bigint) => checkedTimestamp(seconds * second)),
  fn('duration', [string], duration, parseDuration),
  fn('duration', [duration], duration, (length: Duration) => length),
  fn('duration', [int], duration, (nanos: bigint) => checkedDuration(nanos)),
  fn('int', [timestamp], int, ({ nanos }: Timestamp) => floorDivide(nanos, second)),
  fn('int', [duration], int, ({ nanos }: Duration) => nanos),
  fn('string', [timestamp], string, timestampText),
  fn('string', [duration], string, durationText),
]
