/** time.Duration: parsing and printing. Durations are nanoseconds. */
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoInteger, type GoType } from '../template/values.ts'
import { quoteTime } from './time-quote.ts'

const second = 1_000_000_000n
const units: { readonly [unit: string]: bigint } = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
}

/** time.ParseDuration: "1h30m", "-1.5s"; throws GoError with Go's message. */
export function parseDuration(text: string): bigint {
  const invalid = (): GoError => new GoError(`time: invalid duration ${quoteTime(text)}`)
  const negative = text.startsWith('-')
  let rest = text.replace(/^[-+]/, '')
  if (rest === '0') return 0n
  if (rest === '') throw invalid()
  let total = 0n
  while (rest !== '') {
    const number = /^([0-9]*)(?:\.([0-9]*))?/.exec(rest)!
    if (!number[1] && !number[2]) throw invalid()
    rest = rest.slice(number[0].length)
    const unit = /^[^.0-9]*/.exec(rest)![0]
    if (unit === '') throw new GoError(`time: missing unit in duration ${quoteTime(text)}`)
    const scale = units[unit]
    if (scale === undefined) throw new GoError(`time: unknown unit ${quoteTime(unit)} in duration ${quoteTime(text)}`)
    rest = rest.slice(unit.length)
    const fraction = number[2] ?? ''
    total += BigInt(number[1] || '0') * scale + (BigInt(fraction || '0') * scale) / 10n ** BigInt(fraction.length)
    if (total > 2n ** 63n) throw invalid()
  }
  if (!negative && total > 2n ** 63n - 1n) throw invalid()
  return negative ? -total : total
}

/** Duration.String(): "1h30m0s", "1.5ms". */
export function formatDuration(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s'
  const sign = nanoseconds < 0n ? '-' : ''
  const total = nanoseconds < 0n ? -nanoseconds : nanoseconds
  if (total < second) {
    const [unit, scale] = total < 1_000n ? ['ns', 1n] : total < 1_000_000n ? ['µs', 1_000n] : ['ms', 1_000_000n]
    return sign + withFraction(total, scale as bigint) + unit
  }
  const minutes = total / (60n * second)
  const seconds = `${withFraction(total % (60n * second), second)}s`
  if (minutes === 0n) return sign + seconds
  const hours = minutes / 60n
  return `${sign}${hours > 0n ? `${hours}h` : ''}${minutes % 60n}m${seconds}`
}

function withFraction(value: bigint, scale: bigint): string {
  const digits = scale.toString().length - 1
  const fraction = (value % scale).toString().padStart(digits, '0').slice(0, digits).replace(/0+$/, '')
  return `${value / scale}${fraction && digits > 0 ? `.${fraction}` : ''}`
}

export const durationType: GoType = { name: 'time.Duration', kind: 'int64' }

/** A time.Duration a template can call methods of. */
export function goDuration(nanoseconds: bigint): GoInteger {
  const inUnits = (scale: bigint): number => Number(nanoseconds / scale) + Number(nanoseconds % scale) / Number(scale)
  const methods: FunctionTable = {
    String: goFunction('-> string', () => formatDuration(nanoseconds)),
    Hours: goFunction('-> float64', () => inUnits(3600n * second)),
    Minutes: goFunction('-> float64', () => inUnits(60n * second)),
    Seconds: goFunction('-> float64', () => inUnits(second)),
    Milliseconds: goFunction('-> int64', () => nanoseconds / 1_000_000n),
    Microseconds: goFunction('-> int64', () => nanoseconds / 1_000n),
    Nanoseconds: goFunction('-> int64', () => nanoseconds),
    Abs: goFunction('-> value', () => goDuration(nanoseconds < 0n ? -nanoseconds : nanoseconds)),
  }
  return new GoInteger(durationType, nanoseconds, { methods, text: () => formatDuration(nanoseconds) })
}

/** Sprig's durationRound: the largest unit that fits, "3d". */
export function roundDuration(nanoseconds: bigint): string {
  const total = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const hour = 3600n * second
  const steps: readonly (readonly [bigint, string])[] = [
    [365n * 24n * hour, 'y'],
    [30n * 24n * hour, 'mo'],
    [24n * hour, 'd'],
    [hour, 'h'],
    [60n * second, 'm'],
    [second, 's'],
  ]
  const step = steps.find(([size]) => total > size)
  return step ? `${total / step[0]}${step[1]}` : '0s'
}
