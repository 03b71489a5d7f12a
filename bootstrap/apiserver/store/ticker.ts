/** One timer for everything in the store that recurs; it runs only while there is something to do. */
import type { Clock } from '../../datastore/effects.ts'

interface Task {
  readonly periodMs: number
  readonly run: () => void
  due: number
}

/** Long periods are rounded to whole seconds so that many tasks share one wake-up. */
const coarsePeriodMs = 10_000
const slotMs = 1000

export class Ticker {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #tasks = new Set<Task>()
  #sleep: { readonly until: number; readonly abort: AbortController } | undefined

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  /** Calls `run` every `periodMs` or so; returns what stops it. */
  every(periodMs: number, run: () => void): () => void {
    const task: Task = { periodMs, run, due: this.#dueAfter(periodMs) }
    this.#tasks.add(task)
    this.#arm(task.due)
    return () => {
      this.#tasks.delete(task)
      if (this.#tasks.size === 0) this.#sleep?.abort.abort()
    }
  }

  #dueAfter(periodMs: number): number {
    const due = this.#clock.now() + periodMs
    return periodMs < coarsePeriodMs ? due : Math.ceil(due / slotMs) * slotMs
  }

  /** Sleeps until the time given, cutting a longer sleep short. */
  #arm(until: number): void {
    if (this.#signal.aborted) return
    if (this.#sleep && this.#sleep.until <= until && !this.#sleep.abort.signal.aborted) return
    this.#sleep?.abort.abort()
    const sleep = { until, abort: new AbortController() }
    this.#sleep = sleep
    const signal = AbortSignal.any([sleep.abort.signal, this.#signal])
    this.#clock.sleep(Math.max(until - this.#clock.now(), 0), signal).then(
      () => {
        if (this.#sleep === sleep) this.#sleep = undefined
        this.#tick()
      },
      () => undefined,
    )
  }

  #tick(): void {
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const task of this.#tasks) {
      if (task.due <= now) {
        task.due = this.#dueAfter(task.periodMs)
        task.run()
      }
      next = Math.min(next, task.due)
    }
    if (this.#tasks.size > 0) this.#arm(next)
  }
}
