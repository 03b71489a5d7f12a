/** When history is forgotten: how much of it is left is the same on every engine. */
import type { Clock, Logger } from '../effects.ts'

const intervalMs = 5 * 60_000

/** Calls `compact` every five minutes, until aborted; a round that fails is told, and followed by the next. */
export async function everyFiveMinutes(
  clock: Clock,
  signal: AbortSignal,
  log: Logger | undefined,
  compact: () => Promise<void>,
): Promise<void> {
  while (await slept(clock, signal)) {
    try {
      await compact()
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
