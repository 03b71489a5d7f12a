/** What a worker sleeps on: ended by wake, by a time, or by the end of everything. A wake before the sleep counts. */
import type { Clock } from '../../client/clock.ts'

export class Waker {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #pending = false
  #resolve: (() => void) | undefined

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  wake(): void {
    this.#pending = true
    this.#resolve?.()
  }

  /** Forgets wakes so far: what they stand for is about to be looked at. */
  reset(): void {
    this.#pending = false
  }

  /** Resolves when woken, at `until` (ms), or when aborted. */
  sleep(until: number | undefined): Promise<void> {
    if (this.#pending || this.#signal.aborted) return Promise.resolve()
    const awake = new AbortController()
    return new Promise(resolve => {
      const finish = () => {
        this.#resolve = undefined
        this.#signal.removeEventListener('abort', finish)
        awake.abort()
        resolve()
      }
      this.#resolve = finish
      this.#signal.addEventListener('abort', finish, { once: true })
      if (until === undefined) return
      const ms = Math.max(0, until - this.#clock.now())
      this.#clock.sleep(ms, awake.signal).then(finish, () => undefined)
    })
  }
}
