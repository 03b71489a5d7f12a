/** From a snapshot into a datastore that is empty. */
import type { Datastore, Entry, Revision } from '../../datastore/datastore.ts'

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
export async function load(entries: AsyncIterable<Entry>, target: Datastore): Promise<number> {
  const writing = new Set<Promise<void>>()
  let bytes = 0
  let keys = 0
  let failure: unknown
  for await (const { key, value } of entries) {
    if (failure !== undefined) break
    const written = target.commit({ op: 'create', key, value }).then(
      () => undefined,
      (error: unknown) => {
        failure ??= error
      },
    )
    const done = written.then(() => {
      writing.delete(done)
      bytes -= value.length
    })
    writing.add(done)
    bytes += value.length
    keys++
    while (writing.size >= mostWrites || (bytes > mostBytes && writing.size > 0)) await Promise.race(writing)
  }
  await Promise.all(writing)
  if (failure !== undefined) throw failure
  return keys
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
