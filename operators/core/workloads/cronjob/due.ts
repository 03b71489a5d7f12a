/** Which scheduled time is to be served, and when to look again (upstream cronjob/utils.go). */
import type { CronSchedule } from '../../../../bootstrap/api/cron/schedule.ts'
import type { CronJob } from '../../../../bootstrap/client/resources.ts'
import { millis } from '../../../runtime/time.ts'

/** A timer may be late against the clock it was set by, but must not be early. */
const paddingMs = 100
/** Timers cannot run for longer than 24 days. */
const longestWaitMs = 86_400_000
const manyMissed = 100

export interface Due {
  /** The latest time that has come; undefined when none has. */
  readonly at?: number
  readonly tooManyMissed?: boolean
  /** The schedule names no time that exists. */
  readonly problem?: string
}

/** The latest scheduled time since the last one served, or since `start`, that has come by `now`. */
export function dueTime(schedule: CronSchedule, start: number, now: number): Due {
  const first = schedule.next(start)
  if (first !== undefined && now < first) return {}
  const second = first === undefined ? undefined : schedule.next(first)
  if (first === undefined || second === undefined)
    return { problem: 'time difference between two schedules is less than 1 second' }
  if (now < second) return { at: first }
  const step = second - first
  const missed = Math.floor((now - first) / step) + 1
  let at: number | undefined
  for (let time = schedule.next(first + (missed - 2) * step); time !== undefined && time <= now; )
    time = schedule.next((at = time))
  return { ...(at === undefined ? {} : { at }), tooManyMissed: missed > manyMissed }
}

/**
 * From when on scheduled times count, and from when on there is still time to start: the last one served, the creation
 * or `since`, whichever is latest, and the starting deadline.
 */
export function countsFrom({ spec, status, metadata }: CronJob, since: number, now: number) {
  const start = Math.max(since, millis(status?.lastScheduleTime ?? metadata.creationTimestamp))
  const { startingDeadlineSeconds: deadline } = spec
  return { start, inTime: deadline === undefined ? start : Math.max(start, now - deadline * 1000) }
}

/** Milliseconds until the next time after what is `due` since `start`; undefined when there is none. */
export function nextInMs(schedule: CronSchedule, due: Due, start: number, now: number): number | undefined {
  const noneMissed = due.tooManyMissed === undefined && due.problem === undefined
  const next = schedule.next(due.at ?? (noneMissed ? start : now))
  return next === undefined ? undefined : Math.min(Math.max(0, next + paddingMs - now), longestWaitMs)
}
