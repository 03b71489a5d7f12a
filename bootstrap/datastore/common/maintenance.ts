/** The background loop that keeps the file as small as the live data. */
import type { Revision } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { everyFiveMinutes } from './compacting.ts'

export interface Compactable {
  revision(): Promise<Revision>
  compact(before: Revision): Promise<void>
}

/**
 * Compacts every five minutes, down to where the log stood five minutes earlier, until aborted: the history that lists and
 * watches can go back to is five to ten minutes long, as an API server over etcd keeps it.
 */
export async function maintain(
  store: Compactable,
  clock: Clock,
  signal: AbortSignal,
  log: Logger | undefined,
): Promise<void> {
  let horizon = await store.revision().catch(() => 0)
  let compacted = 0
  await everyFiveMinutes(clock, signal, log, async () => {
    const newest = await store.revision()
    if (horizon > compacted) await store.compact(horizon)
    compacted = horizon
    horizon = newest
  })
}
