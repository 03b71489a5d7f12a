/** When snapshots are due. */
import { type CronSchedule, parseCron } from '../../bootstrap/api/cron/schedule.ts'
import { systemZone, type TimeZone } from '../../bootstrap/api/time-zone.ts'
import type { Clock } from '../runtime/operator.ts'

/** Calls `due` each time, until the signal aborts. */
export type Schedule = (expression: string, due: () => void, clock: Clock, signal: AbortSignal) => Promise<void>

/**
 * Timers stand still while the machine sleeps and know nothing of clocks that are set: this late at most a moment that has
 * come is noticed.
 */
const longestSleepMs = 600_000
/** What clocks are corrected by in passing. What was done in that time is not done again. */
const correctionMs = 3_600_000

/** Throws SyntaxError for an expression that is none. The time zone is the server's, unless the expression names another. */
export async function followCron(
  expression: string,
  due: () => void,
  clock: Clock,
  signal: AbortSignal,
  zone: TimeZone = systemZone,
): Promise<void> {
  const schedule = parseCron(expression, zone)
  let plan = planFrom(schedule, clock.now())
  while (!signal.aborted) {
    await clock.sleep(Math.min(Math.max(1, plan.next - clock.now()), longestSleepMs), signal).catch(() => {})
    const now = clock.now()
    if (signal.aborted) return
    if (now >= plan.next) {
      due()
      plan = planFrom(schedule, now)
    } else if (now < plan.seen - correctionMs) plan = planFrom(schedule, now)
    else plan = { ...plan, seen: Math.max(plan.seen, now) }
  }
}

interface Plan {
  /** However many moments passed since the last one, they count as one. */
  readonly next: number
  /** The latest that the clock has shown. */
  readonly seen: number
}

function planFrom(schedule: CronSchedule, now: number): Plan {
  return { next: schedule.next(now) ?? Number.POSITIVE_INFINITY, seen: now }
}
