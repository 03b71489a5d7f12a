/**
 * Fan-out. A watcher is a position in the event ring; nothing is queued for it. One that waits is handed the events of
 * a batch directly, the same array as everyone with the same scope; one that is busy reads the ring when it comes back,
 * and ends when the ring no longer holds its position.
 */
import type { Revision } from '../../datastore/datastore.ts'
import type { ChangeEvent, EventRing } from './event-ring.ts'
import { FanOut } from './fan-out.ts'
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
  readonly #fanOut = new FanOut()
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
    const tell = () => this.#fanOut.afterwards(() => watcher.bookmark(this.#revision))
    const finish = () => this.#fanOut.afterwards(() => watcher.finish())
    const { bookmarkEveryMs, bookmarkOn, finishOn } = query
    const untick = bookmarkEveryMs === undefined ? undefined : this.#ticker.every(bookmarkEveryMs, tell)
    const watcher = new Watcher(this.#ring, query, query.after > this.#revision(), () => {
      untick?.()
      bookmarkOn?.removeEventListener('abort', tell)
      finishOn?.removeEventListener('abort', finish)
      members.delete(watcher)
      if (members.size === 0 && this.#byScope.get(scope) === members) this.#byScope.delete(scope)
    })
    members.add(watcher)
    bookmarkOn?.addEventListener('abort', tell, { once: true })
    finishOn?.addEventListener('abort', finish, { once: true })
    if (query.signal.aborted || this.#closed) watcher.end()
    if (bookmarkOn?.aborted) watcher.bookmark(this.#revision)
    if (finishOn?.aborted) watcher.finish()
    return watcher
  }

  /** Hands the newest events of the ring to those who wait for them. */
  publish(events: readonly ChangeEvent[]): void {
    if (this.#byScope.size === 0) return
    const { end } = this.#ring
    const everything = this.#byScope.get('')
    if (everything) this.#fanOut.add(everything, events, end)
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
    for (const [scope, list] of scoped) this.#fanOut.add(this.#byScope.get(scope)!, list, end)
  }

  /** Ends every watcher there is and will be. */
  close(): void {
    this.#closed = true
    this.endAll()
  }

  /** Ends every watcher there is. */
  endAll(): void {
    this.#fanOut.clear()
    for (const members of [...this.#byScope.values()]) for (const watcher of [...members]) watcher.end()
  }
}

class Watcher implements AsyncIterableIterator<readonly StoreEvent[], undefined> {
  readonly #ring: EventRing
  readonly #signal: AbortSignal
  /** Absent: it takes everything, and so the same arrays as all who do. */
  readonly #matches: ((event: ChangeEvent) => boolean) | undefined
  /** It starts in the future: what it is handed may be too old for it. */
  readonly #early: boolean
  readonly #after: Revision
  readonly #onEnd: () => void
  #position: number
  #waiting: ((delivery: Delivery) => void) | undefined
  /** It was busy when it was to be told the revision. */
  #bookmarkDue: (() => Revision) | undefined
  #finishing = false
  #ended = false

  constructor(ring: EventRing, query: WatchQuery, early: boolean, onEnd: () => void) {
    this.#ring = ring
    this.#signal = query.signal
    this.#matches = early || scopeOf(query) !== '' ? filterOf(query) : undefined
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
      const events = this.#matches ? found.filter(this.#matches) : found
      if (events.length > 0) return Promise.resolve({ done: false, value: events })
    }
    if (this.#finishing) this.end()
    if (this.#ended) return Promise.resolve(finished)
    if (this.#bookmarkDue) {
      const revision = this.#bookmarkDue()
      this.#bookmarkDue = undefined
      return Promise.resolve({ done: false, value: [{ type: 'BOOKMARK', revision }] })
    }
    return new Promise(resolve => {
      this.#waiting = resolve
    })
  }

  async return(): Promise<Delivery> {
    this.end()
    return finished
  }

  /** Takes a batch of its scope, if it is waiting for one and has not read it from the ring. */
  deliver(batch: readonly ChangeEvent[], end: number): void {
    const waiting = this.#waiting
    if (!waiting || this.#position >= end) return
    this.#position = end
    const events = this.#early ? batch.filter(this.#matches!) : batch
    if (events.length === 0) return
    this.#waiting = undefined
    waiting({ done: false, value: events })
  }

  /** Tells the revision, unless it has asked for later ones only. Everything up to it must have been handed out. */
  bookmark(revision: () => Revision): void {
    const now = revision()
    if (now < this.#after) return
    const waiting = this.#waiting
    if (!waiting) {
      this.#bookmarkDue = revision
      return
    }
    this.#position = this.#ring.end
    this.#waiting = undefined
    waiting({ done: false, value: [{ type: 'BOOKMARK', revision: now }] })
  }

  /** Ends it once it has taken everything there is. */
  finish(): void {
    this.#finishing = true
    if (this.#waiting) this.end()
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
