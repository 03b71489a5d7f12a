/** How long a Job waits before it replaces failed pods: 10 s, doubling with each failure in a row, up to 10 minutes. */
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import { millis } from '../../../runtime/time.ts'

const firstMs = 10_000
const longestMs = 600_000

interface Streak {
  readonly failures: number
  readonly last: number
  /** Uids of the pods already taken into account. */
  readonly seen: ReadonlySet<string>
}

export class JobBackoff {
  readonly #streaks = new Map<string, Streak>()

  /** Takes newly finished pods into account, in the order of their end. */
  record(key: string, succeeded: readonly Pod[], failed: readonly Pod[], now: number): void {
    const lastSuccess = Math.max(0, ...succeeded.map(pod => finishedAt(pod, now)))
    let streak = this.#streaks.get(key)
    if (lastSuccess > 0 && (!streak || lastSuccess >= streak.last)) streak = undefined
    const fresh = failed.filter(pod => !streak?.seen.has(pod.metadata.uid ?? ''))
    for (const pod of fresh.sort((a, b) => finishedAt(a, now) - finishedAt(b, now))) {
      const end = finishedAt(pod, now)
      if (end <= lastSuccess) continue
      const seen = new Set(streak?.seen).add(pod.metadata.uid ?? '')
      streak = { failures: (streak?.failures ?? 0) + 1, last: Math.max(end, streak?.last ?? 0), seen }
    }
    if (streak) this.#streaks.set(key, streak)
    else this.#streaks.delete(key)
  }

  /** Milliseconds still to wait. */
  remainingMs(key: string, now: number): number {
    const streak = this.#streaks.get(key)
    if (!streak) return 0
    return Math.max(0, streak.last + retryDelayMs(streak.failures) - now)
  }

  forget(key: string): void {
    this.#streaks.delete(key)
  }
}

/** How long to wait after so many failures in a row. */
export function retryDelayMs(failures: number): number {
  return Math.min(longestMs, firstMs * 2 ** (failures - 1))
}

/** When the last container ended, or the pod was deleted. */
export function finishedAt(pod: Pod, now: number): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) => millis(state?.terminated?.finishedAt))
  const last = Math.max(0, ...ends)
  return last > 0 ? last : Math.min(now, millis(pod.metadata.deletionTimestamp) || now)
}
