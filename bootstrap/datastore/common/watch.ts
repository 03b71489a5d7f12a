/** A watch: the past from the log, the present from the hub, without a gap or a repetition between the two. */
import type { ChangeBatch, Revision } from '../datastore.ts'
import { changesAfter, Subscription, type WatchHub } from './watch-hub.ts'

export interface Watched {
  readonly prefix: string
  readonly after: Revision
  /** Up to where the hub has published when asked. */
  readonly current: () => Revision
}

/** Reads the log after `after`, to `through` or less far; each batch says how far it reaches. Throws CompactedError. */
export type ReadHistory = (prefix: string, after: Revision, through: Revision) => AsyncIterable<ChangeBatch>

/** Changes after `after` until aborted. A watcher that lags too far behind the hub reads the log again. */
export async function* watchLog(
  hub: WatchHub,
  { prefix, after, current }: Watched,
  history: ReadHistory,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch> {
  if (signal.aborted) return
  const subscription = new Subscription(prefix, current())
  const stop = () => hub.remove(subscription)
  hub.add(subscription)
  signal.addEventListener('abort', stop, { once: true })
  try {
    let position = after
    for (;;) {
      while (position < subscription.since) {
        for await (const batch of history(prefix, position, subscription.since)) {
          if (signal.aborted) return
          position = batch.revision
          yield batch
          if (position >= subscription.since) break
        }
        if (signal.aborted) return
      }
      const next = await subscription.next()
      if (!next) return
      for (const batch of next) {
        if (batch.revision <= position) continue
        yield changesAfter(batch, position)
        position = batch.revision
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
