/** Restart back-off by key: the first restart is immediate, then 10 s doubling to 5 min, forgotten after 10 min. */

interface Entry {
  readonly delayMs: number
  readonly updatedAt: number
}

export class Backoff {
  readonly #initialMs: number
  readonly #maximumMs: number
  readonly #entries = new Map<string, Entry>()

  constructor(initialMs = 10_000, maximumMs = 300_000) {
    this.#initialMs = initialMs
    this.#maximumMs = maximumMs
  }

  /** When the next try after a failure at `since` may begin, and the delay; undefined: at once. Times in ms. */
  waitUntil(key: string, since: number, now: number): { until: number; delayMs: number } | undefined {
    const entry = this.#entries.get(key)
    if (!entry || since - entry.updatedAt > 2 * this.#maximumMs) return undefined
    const until = since + entry.delayMs
    return until > now ? { until, delayMs: entry.delayMs } : undefined
  }

  /** Notes a try after a failure at `since`. */
  next(key: string, since: number, now: number): void {
    const entry = this.#entries.get(key)
    const expired = !entry || since - entry.updatedAt > 2 * this.#maximumMs
    const delayMs = expired ? this.#initialMs : Math.min(this.#maximumMs, entry.delayMs * 2)
    this.#entries.set(key, { delayMs, updatedAt: now })
  }

  forget(key: string): void {
    this.#entries.delete(key)
  }
}
