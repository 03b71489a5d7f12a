/** Kubernetes' texts for points in time and durations. Times are epoch milliseconds, durations milliseconds. */

/** "2026-01-02T03:04:05Z", what meta/v1 Time is on the wire. */
export function rfc3339(ms: number): string {
  const second = Math.floor(ms / 1000)
  if (second !== latest.second) latest = { second, text: `${new Date(ms).toISOString().slice(0, 19)}Z` }
  return latest.text
}

/** Most times that are written down are now. */
let latest = { second: Number.NaN, text: '' }

/** "2026-01-02T03:04:05.678000Z", what meta/v1 MicroTime is on the wire. A fraction of `ms` becomes microseconds. */
export function rfc3339Micro(ms: number): string {
  const whole = Math.floor(ms)
  const micro = Math.floor((ms - whole) * 1000)
  return `${new Date(whole).toISOString().slice(0, 23)}${String(micro).padStart(3, '0')}Z`
}

const timeSyntax = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/** Epoch milliseconds of an RFC 3339 text; undefined when it is none. */
export function parseTime(text: string | null | undefined): number | undefined {
  if (typeof text !== 'string' || !timeSyntax.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** The ages of kubectl's tables: "45s", "3m20s", "5h", "2d4h"; upstream's duration.HumanDuration. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's')
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm')
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (days < 8) return pair(days, 'd', hours % 24, 'h')
  if (days < 2 * 365) return `${days}d`
  const years = Math.floor(days / 365)
  return years < 8 ? pair(years, 'y', days % 365, 'd') : `${years}y`
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`
}

/** The age of an object since `timestamp`, "<unknown>" without one. */
export function ageText(timestamp: string | undefined, now: number): string {
  const since = parseTime(timestamp)
  return since === undefined ? '<unknown>' : humanDuration(now - since)
}

const units: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Milliseconds of a Go duration such as "1h30m" or "-1.5s"; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  if (!/^[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([a-zµμ]+)/g)) total += Number(amount) * units[unit!]!
  return text.startsWith('-') ? -total : total
}

/** What Go says of a text that is no duration; undefined when it is one. */
export function durationProblem(text: string): string | undefined {
  if (parseDuration(text) !== undefined) return undefined
  const invalid = `time: invalid duration ${JSON.stringify(text)}`
  const rest = text.replace(/^[+-]/, '')
  if (rest === '') return invalid
  for (const [part, amount = '', unit = ''] of rest.matchAll(/(\d*\.?\d*)([^\d.]*)/g)) {
    if (part === '') continue
    if (!/\d/.test(amount)) return invalid
    if (unit === '') return `time: missing unit in duration ${JSON.stringify(text)}`
    if (!Object.hasOwn(units, unit))
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`
  }
  return invalid
}

/** The text Go gives a duration: "1h30m0s", "1.5s", "100ms", "0s". */
export function formatDuration(ms: number): string {
  const size = Math.abs(ms)
  const sign = ms < 0 ? '-' : ''
  if (size === 0) return '0s'
  if (size < 1e-3) return `${sign}${trim(size * 1e6)}ns`
  if (size < 1) return `${sign}${trim(size * 1e3)}µs`
  if (size < 1000) return `${sign}${trim(size)}ms`
  const hours = Math.floor(size / 3_600_000)
  const minutes = Math.floor(size / 60_000) % 60
  const seconds = `${trim((size % 60_000) / 1000)}s`
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`
}

function trim(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, '')
}
