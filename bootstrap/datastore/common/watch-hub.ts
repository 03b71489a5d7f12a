/** Live watches: hands every durable batch to the subscribers, and lets one that lags read the log instead. */
import type { Change, ChangeBatch, Revision } from '../datastore.ts'

const maxQueuedChanges = 10_000

/** One watcher's view: the batches since `since` that it has not taken yet. */
export class Subscription {
  readonly #prefix: string
  #since: Revision
  #queue: ChangeBatch[] = []
  #queued = 0
  #lagging = false
  #ended = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  constructor(prefix: string, since: Revision) {
    this.#prefix = prefix
    this.#since = since
  }

  /** Everything after this revision comes from `next`; what is older has to be read from the log. */
  get since(): Revision {
    return this.#since
  }

  push(batch: ChangeBatch): void {
    if (this.#lagging) {
      this.#since = batch.revision
      return
    }
    const changes = batch.changes.filter(change => keyOf(change).startsWith(this.#prefix))
    this.#queue.push(changes.length === batch.changes.length ? batch : { changes, revision: batch.revision })
    this.#queued += changes.length
    if (this.#queued > maxQueuedChanges) {
      this.skip(batch.revision)
      return
    }
    this.#wake?.()
  }

  /** Changes up to `revision` will not come by here: they have to be read from the log. */
  skip(revision: Revision): void {
    this.#lagging = true
    this.#queue = []
    this.#since = revision
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  fail(error: Error): void {
    this.#failure = error
    this.#wake?.()
  }

  /** Waits for batches and takes them; none when some were dropped, so that `since` moved. Undefined after `end`, throws after `fail`. */
  async next(): Promise<readonly ChangeBatch[] | undefined> {
    if (this.#queue.length === 0 && !this.#lagging && !this.#ended && !this.#failure) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    if (this.#failure && !this.#ended) throw this.#failure
    const taken = this.#queue
    this.#queue = []
    this.#queued = 0
    this.#lagging = false
    return this.#ended ? undefined : taken
  }
}

export class WatchHub {
  readonly #subscriptions = new Set<Subscription>()
  #closed = false

  publish(batch: ChangeBatch): void {
    for (const subscription of this.#subscriptions) subscription.push(batch)
  }

  /** The publisher has missed what lies before `revision`. */
  skip(revision: Revision): void {
    for (const subscription of this.#subscriptions) subscription.skip(revision)
  }

  add(subscription: Subscription): void {
    if (this.#closed) subscription.end()
    else this.#subscriptions.add(subscription)
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    subscription.end()
  }

  /** Tells everybody who watches that what they have seen does not lead to what there is now. */
  fail(error: Error): void {
    for (const subscription of this.#subscriptions) subscription.fail(error)
  }

  /** Ends every subscription there is and will be. */
  close(): void {
    this.#closed = true
    for (const subscription of this.#subscriptions) this.remove(subscription)
  }
}

function keyOf(change: Change): string {
  return change.type === 'put' ? change.entry.key : change.key
}

/** The batch without what a watcher has seen up to `position`. */
export function changesAfter(batch: ChangeBatch, position: Revision): ChangeBatch {
  const isNew = (change: Change) => (change.type === 'put' ? change.entry.revision : change.revision) > position
  return batch.changes.every(isNew) ? batch : { ...batch, changes: batch.changes.filter(isNew) }
}
