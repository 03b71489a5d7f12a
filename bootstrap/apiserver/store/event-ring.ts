/** The recent events of one resource, numbered without gaps, so that watchers need only remember a position. */
import type { Revision } from '../../datastore/datastore.ts'
import type { StoreEvent } from './store.ts'

const maxEvents = 10_000
const maxBytes = 32 * 1024 * 1024
const maxAgeMs = 5 * 60_000
const slack = 1024

export type ChangeEvent = Exclude<StoreEvent, { type: 'BOOKMARK' }>

export class EventRing {
  #events: ChangeEvent[] = []
  #times: number[] = []
  /** Index in #events of the oldest event kept. */
  #head = 0
  /** Number of the event at #events[0]. */
  #base = 0
  #bytes = 0
  #floor: Revision
  #lastSlice: { readonly from: number; readonly end: number; readonly events: readonly ChangeEvent[] } | undefined

  constructor(floor: Revision) {
    this.#floor = floor
  }

  /** Every event after this revision is here. */
  get floor(): Revision {
    return this.#floor
  }

  /** Number of the oldest event kept. */
  get first(): number {
    return this.#base + this.#head
  }

  /** Number the next event will get. */
  get end(): number {
    return this.#base + this.#events.length
  }

  get empty(): boolean {
    return this.first === this.end
  }

  push(events: readonly ChangeEvent[], now: number): void {
    for (const event of events) {
      this.#events.push(event)
      this.#times.push(now)
      this.#bytes += event.stored.bytes.byteLength
    }
    this.trim(now)
  }

  /** Lets go of what is too much or too old. */
  trim(now: number): void {
    while (!this.empty && this.#isOver(now)) {
      const { stored } = this.#events[this.#head]!
      this.#floor = stored.revision
      this.#bytes -= stored.bytes.byteLength
      this.#head++
    }
    if (this.#head < slack && !this.empty) return
    this.#lastSlice = undefined
    this.#events.splice(0, this.#head)
    this.#times.splice(0, this.#head)
    this.#base += this.#head
    this.#head = 0
  }

  /** Up to `limit` events from number `from` on; the same array for all who ask for the same one after another. */
  slice(from: number, limit: number): readonly ChangeEvent[] {
    const end = Math.min(from + limit, this.end)
    const last = this.#lastSlice
    if (last?.from === from && last.end === end) return last.events
    const events = this.#events.slice(from - this.#base, end - this.#base)
    this.#lastSlice = { from, end, events }
    return events
  }

  /** Number of the first event after `revision`. */
  after(revision: Revision): number {
    let low = this.#head
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#events[middle]!.stored.revision <= revision) low = middle + 1
      else high = middle
    }
    return this.#base + low
  }

  /** The event of exactly this revision. */
  at(revision: Revision): ChangeEvent | undefined {
    const event = this.#events[this.after(revision - 1) - this.#base]
    return event?.stored.revision === revision ? event : undefined
  }

  /** Empties the ring; the numbers go on. */
  reset(floor: Revision): void {
    this.#base = this.end
    this.#lastSlice = undefined
    this.#events = []
    this.#times = []
    this.#head = 0
    this.#bytes = 0
    this.#floor = floor
  }

  #isOver(now: number): boolean {
    const kept = this.end - this.first
    return (kept > 1 && (kept > maxEvents || this.#bytes > maxBytes)) || now - this.#times[this.#head]! > maxAgeMs
  }
}
