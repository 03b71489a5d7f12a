/**
 * Fan-out. A watcher is a position in the event ring; nothing is queued for it. One that waits is handed the events of
 * a batch directly, the same array as everyone with the same scope; one that is busy reads the ring when it comes back,
 * and ends when the ring no longer holds its position.
 */
import type { Revision } from '../../datastore/datastore.ts'
import type { ChangeEvent, EventRing } from './event-ring.ts'
import type { StoreEvent, WatchQuery } from './store.ts'
import type { Ticker } from './ticker.ts'

const maxDelivered = 1000

type Delivery = IteratorResult<readonly StoreEvent[], undefined>
const finished: Delivery = { done: true, value: undefined }

export class Watchers {
  readonly #ring: EventRing
  readonly #ticker: Ticker
  readonly #revision: () => Revision
  readonly #byScope = new Map<string, Set<Watcher>>()
  #closed = false

  constructor(ring: EventRing, ticker: Ticker, revision: () => Revision) {
    this.#ring = ring
    this.#ticker = ticker
    this.#revision = revision
  }

  /** A watcher of events after `query.after`, which the ring must hold. */
  open(query: WatchQuery): AsyncIterableIterator<readonly StoreEvent[], undefined> {
    const scope = scopeOf(query)
    const members = this.#byScope.get(scope) ?? new Set()
    this.#byScope.set(scope, members)
    const untick =
      query.bookmarkEveryMs === undefined
        ? undefined
        : this.#ticker.every(query.bookmarkEveryMs, () => watcher.bookmark(this.#revision()))
    const watcher = new Watcher(this.#ring, query, query.after > this.#revision(), () => {
      untick?.()
      members.delete(watcher)
      if (members.size === 0 && this.#byScope.get(scope) === members) this.#byScope.delete(scope)
    })
    members.add(watcher)
    if (query.signal.aborted || this.#closed) watcher.end()
    return watcher
  }

  /** Hands events that are already in the ring to those who wait for them. */
  publish(events: readonly ChangeEvent[]): void {
    if (this.#byScope.size === 0) return
    for (const watcher of this.#byScope.get('') ?? []) watcher.deliver(events)
    const scoped = new Map<string, ChangeEvent[]>()
    for (const event of events) {
      const { namespace, name } = event.stored
      for (const scope of [`${namespace}/`, `${namespace}/${name}`, `*/${name}`]) {
        if (!this.#byScope.has(scope)) continue
        const list = scoped.get(scope)
        if (list) list.push(event)
        else scoped.set(scope, [event])
      }
    }
    for (const [scope, list] of scoped) for (const watcher of this.#byScope.get(scope) ?? []) watcher.deliver(list)
  }

  /** Ends every watcher there is and will be. */
  close(): void {
    this.#closed = true
    this.endAll()
  }

  /** Ends every watcher there is. */
  endAll(): void {
    for (const members of [...this.#byScope.values()]) for (const watcher of [...members]) watcher.end()
  }
}

class Watcher implements AsyncIterableIterator<readonly StoreEvent[], undefined> {
  readonly #ring: EventRing
  readonly #signal: AbortSignal
  readonly #matches: (event: ChangeEvent) => boolean
  /** It starts in the future: what it is handed may be too old for it. */
  readonly #early: boolean
  readonly #after: Revision
  readonly #onEnd: () => void
  #position: number
  #waiting: ((delivery: Delivery) => void) | undefined
  #ended = false

  constructor(ring: EventRing, query: WatchQuery, early: boolean, onEnd: () => void) {
    this.#ring = ring
    this.#signal = query.signal
    this.#matches = filterOf(query)
    this.#early = early
    this.#after = query.after
    this.#onEnd = onEnd
    this.#position = ring.after(query.after)
    query.signal.addEventListener('abort', this.#abort, { once: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Delivery> {
    while (!this.#ended && this.#position < this.#ring.end) {
      if (this.#position < this.#ring.first) {
        this.end()
        break
      }
      const found = this.#ring.slice(this.#position, maxDelivered)
      this.#position += found.length
      const events = found.filter(this.#matches)
      if (events.length > 0) return Promise.resolve({ done: false, value: events })
    }
    if (this.#ended) return Promise.resolve(finished)
    return new Promise(resolve => {
      this.#waiting = resolve
    })
  }

  async return(): Promise<Delivery> {
    this.end()
    return finished
  }

  /** Takes a batch of its scope, if it is waiting for one. */
  deliver(batch: readonly ChangeEvent[]): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#position = this.#ring.end
    const events = this.#early ? batch.filter(this.#matches) : batch
    if (events.length === 0) return
    this.#waiting = undefined
    waiting({ done: false, value: events })
  }

  /** Tells the revision, if it is waiting and has not asked for later ones only. */
  bookmark(revision: Revision): void {
    const waiting = this.#waiting
    if (!waiting || revision < this.#after) return
    this.#position = this.#ring.end
    this.#waiting = undefined
    waiting({ done: false, value: [{ type: 'BOOKMARK', revision }] })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#onEnd()
    this.#waiting?.(finished)
    this.#waiting = undefined
  }

  readonly #abort = (): void => this.end()
}

/** '' for everything, "namespace/", "namespace/name", or an asterisk in place of the namespace. */
function scopeOf({ namespace = '', name = '' }: WatchQuery): string {
  return namespace === '' && name === '' ? '' : `${namespace === '' ? '*' : namespace}/${name}`
}

/** What to test of events read from the ring. */
function filterOf({ namespace = '', name = '', after }: WatchQuery): (event: ChangeEvent) => boolean {
  return ({ stored }) =>
    (namespace === '' || stored.namespace === namespace) &&
    (name === '' || stored.name === name) &&
    stored.revision > after
}
