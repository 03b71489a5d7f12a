/**
 * A queue of keys: a key waits in it at most once, is never handed out twice at the same time, and one added while it is
 * worked on comes again afterwards (client-go util/workqueue). First in, first out, so that no key starves another.
 */
import type { ObjectKey } from '../../bootstrap/api/object.ts'
import { backoffMs, type Clock } from '../../bootstrap/client/clock.ts'

const firstRetryMs = 5
const lastRetryMs = 1_000_000

export interface QueueEffects {
  readonly clock: Clock
  readonly random: () => number
  readonly signal: AbortSignal
}

export class WorkQueue {
  /** Keys added so far, and how many of them after a failure. */
  adds = 0
  retries = 0
  readonly #effects: QueueEffects
  readonly #waiting = new Set<ObjectKey>()
  readonly #working = new Set<ObjectKey>()
  readonly #again = new Set<ObjectKey>()
  readonly #delayed = new Map<ObjectKey, { at: number; timer: AbortController }>()
  readonly #failures = new Map<ObjectKey, number>()
  readonly #takers: ((key: ObjectKey | undefined) => void)[] = []

  constructor(effects: QueueEffects) {
    this.#effects = effects
    effects.signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  /** Keys ready to be taken. */
  get size(): number {
    return this.#waiting.size
  }

  /** Nothing is ready and nothing is worked on; delayed keys do not count. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#working.size === 0
  }

  add(key: ObjectKey): void {
    if (this.#effects.signal.aborted || this.#waiting.has(key) || this.#again.has(key)) return
    this.adds++
    if (this.#working.has(key)) {
      this.#again.add(key)
      return
    }
    this.#offer(key)
  }

  #offer(key: ObjectKey): void {
    const taker = this.#takers.shift()
    if (!taker) {
      this.#waiting.add(key)
      return
    }
    this.#working.add(key)
    taker(key)
  }

  /** Adds the key after `ms`; the earliest of several such wishes wins. */
  addAfter(key: ObjectKey, ms: number): void {
    if (ms <= 0) {
      this.add(key)
      return
    }
    const at = this.#effects.clock.now() + ms
    const known = this.#delayed.get(key)
    if (known && known.at <= at) return
    known?.timer.abort()
    const timer = new AbortController()
    this.#delayed.set(key, { at, timer })
    const signal = AbortSignal.any([timer.signal, this.#effects.signal])
    this.#effects.clock.sleep(ms, signal).then(
      () => {
        this.#delayed.delete(key)
        this.add(key)
      },
      () => {},
    )
  }

  /** Adds the key after its back-off: 5 ms, doubling with each failure up to 1000 s, with jitter. */
  retry(key: ObjectKey): void {
    const failures = this.#failures.get(key) ?? 0
    this.retries++
    this.#failures.set(key, failures + 1)
    this.addAfter(key, backoffMs(failures, firstRetryMs, lastRetryMs, this.#effects.random))
  }

  /** How often the key failed in a row. */
  failures(key: ObjectKey): number {
    return this.#failures.get(key) ?? 0
  }

  /** The key succeeded: its next failure starts the back-off anew. */
  forget(key: ObjectKey): void {
    this.#failures.delete(key)
  }

  /** The next key, once there is one; undefined when the queue has closed. Call `finish` after the work. */
  take(): Promise<ObjectKey | undefined> {
    if (this.#effects.signal.aborted) return Promise.resolve(undefined)
    for (const key of this.#waiting) {
      this.#waiting.delete(key)
      this.#working.add(key)
      return Promise.resolve(key)
    }
    return new Promise(resolve => this.#takers.push(resolve))
  }

  finish(key: ObjectKey): void {
    this.#working.delete(key)
    if (this.#again.delete(key)) this.#offer(key)
  }

  #close(): void {
    this.#waiting.clear()
    this.#delayed.clear()
    for (const taker of this.#takers.splice(0)) taker(undefined)
  }
}
