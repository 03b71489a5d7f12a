/** A clock that stands still until a test advances it. */
import type { Clock } from '../clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export class FakeClock implements Clock {
  #now: number
  #sleepers: Sleeper[] = []

  constructor(now = Date.parse('2026-01-01T00:00:00Z')) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  /** How many sleepers wait. */
  get pending(): number {
    return this.#sleepers.length
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const abort = () => {
        this.#sleepers = this.#sleepers.filter(other => other !== sleeper)
        reject(signal.reason)
      }
      const wake = () => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      const sleeper: Sleeper = { at: this.#now + ms, wake }
      this.#sleepers.push(sleeper)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  /** Moves time on and wakes whoever is due, earliest first, letting each run before the next. */
  async advance(ms: number): Promise<void> {
    await turns()
    const end = this.#now + ms
    for (;;) {
      const due = this.#sleepers.filter(sleeper => sleeper.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.#sleepers = this.#sleepers.filter(other => other !== due)
      this.#now = Math.max(this.#now, due.at)
      due.wake()
      await turns()
    }
    this.#now = end
    await turns()
  }
}

/** Lets everything that is ready run. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}
