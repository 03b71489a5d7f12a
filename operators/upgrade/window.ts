/** A plan's time window (kured's pkg/timewindow, which upstream uses). */
import type { PlanWindow } from './plan.ts'

/** Seconds since midnight, inclusive at both ends. A window that ends before it starts goes on past midnight. */
export interface Window {
  readonly days: ReadonlySet<number>
  readonly start: number
  readonly end: number
  readonly timeZone: string
}

const dayNames = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const daySeconds = 86_400

/** Throws Error with upstream's text. */
export function parseWindow({ days = [], startTime = '', endTime = '', timeZone = '' }: PlanWindow): Window {
  const zone = timeZone === '' || timeZone === 'UTC' ? 'UTC' : timeZone
  const parsed = new Set(days.map(dayOf))
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch {
    throw new Error(`unknown time zone ${timeZone}`)
  }
  return { days: parsed, start: secondsOf(startTime), end: lastSecondOf(endTime), timeZone: zone }
}

function dayOf(text: string): number {
  if (/^[+-]?\d+$/.test(text)) {
    const day = Number(text)
    if (day >= 0 && day < 7) return day
    throw new Error(`Invalid weekday, number out of range: ${text}`)
  }
  const lower = text.toLowerCase()
  const day = dayNames.findIndex(name => [name, name.slice(0, 2), name.slice(0, 3)].includes(lower))
  if (day < 0) throw new Error(`Invalid weekday: ${text}`)
  return day
}

/** "15:04", "15:04:05", "03:04pm", "15", "03pm", "3pm" */
function secondsOf(text: string): number {
  const match = /^(\d{1,2})(?::(\d\d)(?::(\d\d))?)?(am|pm)?$/i.exec(text)
  const [, hours = '', minutes = '0', seconds = '0', half] = match ?? []
  const hour = Number(hours)
  const isTwelve = half !== undefined
  const fits = isTwelve ? hour >= 1 && hour <= 12 : hour < 24
  if (!match || !fits || Number(minutes) > 59 || Number(seconds) > 59) throw new Error(`Invalid time format: ${text}`)
  const whole = isTwelve ? (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0) : hour
  return whole * 3600 + Number(minutes) * 60 + Number(seconds)
}

const lastSecondOf = (text: string): number => secondsOf(text) + 0.999

/** Past midnight the day is the one on which the window opened. */
export function isWithin(window: Window, now: number): boolean {
  const { day, second } = localTime(now, window.timeZone)
  const { days, start, end } = window
  if (start <= end) return days.has(day) && second >= start && second <= end
  return (days.has(day) && second >= start && second < daySeconds) || (days.has((day + 6) % 7) && second <= end)
}

function localTime(now: number, timeZone: string): { readonly day: number; readonly second: number } {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'long',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  })
  const parts = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]))
  const second = Number(parts.hour) * 3600 + Number(parts.minute) * 60 + Number(parts.second) + (now % 1000) / 1000
  return { day: dayNames.indexOf((parts.weekday ?? '').toLowerCase()), second }
}
