/** Hands batches of events to those who wait for them, a few at a time: thousands of watchers do not stall the loop. */
import type { ChangeEvent } from './event-ring.ts'

/** How many are handed a batch at a stretch. What each does with it (encoding, writing to its socket) follows at once. */
const perTurn = 64

export interface Receiver {
  /** `end` is the number after the batch's last event in the ring. */
  deliver(batch: readonly ChangeEvent[], end: number): void
}

interface Handout {
  readonly receivers: Iterator<Receiver>
  readonly batch: readonly ChangeEvent[]
  readonly end: number
}

export class FanOut {
  readonly #queue: Handout[] = []
  readonly #afterwards: (() => void)[] = []
  #next: NodeJS.Immediate | undefined

  /** Batches are handed out in the order they come; the first receivers get theirs before this returns. */
  add(receivers: Iterable<Receiver>, batch: readonly ChangeEvent[], end: number): void {
    this.#queue.push({ receivers: receivers[Symbol.iterator](), batch, end })
    if (this.#next === undefined) this.#turn()
  }

  /** Calls back once everything added so far has been handed out; at once when it has. */
  afterwards(callback: () => void): void {
    if (this.#queue.length === 0) callback()
    else this.#afterwards.push(callback)
  }

  clear(): void {
    if (this.#next !== undefined) clearImmediate(this.#next)
    this.#next = undefined
    this.#queue.length = 0
    this.#finish()
  }

  #turn(): void {
    this.#next = undefined
    for (let left = perTurn; left > 0 && this.#queue.length > 0; left--) {
      const { receivers, batch, end } = this.#queue[0]!
      const { done, value } = receivers.next()
      if (done) this.#queue.shift()
      else value.deliver(batch, end)
    }
    if (this.#queue.length > 0) this.#next = setImmediate(() => this.#turn())
    else this.#finish()
  }

  #finish(): void {
    for (const callback of this.#afterwards.splice(0)) callback()
  }
}
