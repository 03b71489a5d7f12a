/** Spaces out the replacement of pods that fail again and again on a node: 1 s, doubling up to 15 minutes. */
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import { nodeOf } from './placement.ts'

const firstMs = 1000
const longestMs = 15 * 60_000

interface Delay {
  readonly ms: number
  readonly until: number
}

export class FailureBackoff {
  readonly #delays = new Map<string, Delay>()

  /** The failed pods that may be replaced now, and the time until the next of the others may. */
  due(set: string, failed: readonly Pod[], now: number): { due: Pod[]; waitMs: number } {
    const waits: number[] = []
    const due = failed.filter(pod => {
      const key = `${set}/${nodeOf(pod)}`
      const delay = this.#delays.get(key)
      if (delay && now < delay.until) {
        waits.push(delay.until - now)
        return false
      }
      // A node without failures for twice the longest delay starts anew.
      const fresh = !delay || now - delay.until > 2 * longestMs
      const ms = fresh ? firstMs : Math.min(longestMs, delay.ms * 2)
      this.#delays.set(key, { ms, until: now + ms })
      return true
    })
    return { due, waitMs: waits.length > 0 ? Math.min(...waits) : 0 }
  }
}
