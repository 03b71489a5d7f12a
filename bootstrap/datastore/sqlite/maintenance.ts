/** The background loop that keeps the file as small as the live data. */
import type { Revision } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'

const intervalMs = 5 * 60_000
const keptRevisions = 1000

export interface Compactable {
  revision(): Promise<Revision>
  compact(before: Revision): Promise<void>
}

/** Compacts every five minutes, keeping the newest 1,000 revisions and five minutes of history, until aborted. */
export async function maintain(
  store: Compactable,
  clock: Clock,
  signal: AbortSignal,
  log: Logger | undefined,
): Promise<void> {
  let horizon = await store.revision()
  let compacted = 0
  while (await slept(clock, signal)) {
    try {
      const newest = await store.revision()
      const before = Math.min(horizon, newest - keptRevisions)
      if (before > compacted) await store.compact(before)
      compacted = Math.max(before, compacted)
      horizon = newest
    } catch (error) {
      if (!signal.aborted) log?.warn({ component: 'datastore', error: String(error) }, 'compaction failed')
    }
  }
}

/** False when aborted meanwhile. */
async function slept(clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(intervalMs, signal)
    return true
  } catch {
    return false
  }
}
