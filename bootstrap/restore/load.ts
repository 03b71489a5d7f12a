/** From a snapshot into a datastore that is empty. */
import { sideBySide } from '../datastore/common/side-by-side.ts'
import type { Datastore, Entry, Revision } from '../datastore/datastore.ts'

/** Written side by side: enough for one batch after the other, little enough for memory. */
const mostWrites = 256
const mostBytes = 4 * 1024 * 1024
/** More than any cluster writes for long. */
const revisionsPerMs = 100

/**
 * The revision at which a restored cluster goes on: above all that its clients can have seen since the snapshot, whatever
 * was restored in the meantime, so that they are told to list anew. It follows the clock, ahead of every possible writer.
 */
export function revisionAfterRestore(nowMs: number, snapshot: Revision): Revision {
  return Math.max(Math.floor(nowMs) * revisionsPerMs, snapshot + 1)
}

/** Creates every key; resolves with their number once all is durable. */
export function load(entries: AsyncIterable<Entry>, target: Datastore): Promise<number> {
  const bounds = { count: mostWrites, weight: mostBytes, weigh: ({ value }: Entry) => value.length }
  return sideBySide(entries, bounds, ({ key, value }) => target.commit({ op: 'create', key, value }))
}

export interface Counted<T> extends AsyncIterable<T> {
  /** How many have passed. */
  readonly count: number
}

export function counted<T>(items: AsyncIterable<T>): Counted<T> {
  let count = 0
  return {
    get count() {
      return count
    },
    async *[Symbol.asyncIterator]() {
      for await (const item of items) {
        count++
        yield item
      }
    },
  }
}
