/** When snapshots are due, by node-cron, which is loaded only where there is a schedule. */
import { cronDescriptors } from '../../bootstrap/api/cron.ts'
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Clock } from '../runtime/operator.ts'

/** Calls `due` each time, until the signal aborts. The server's time zone counts. */
export type Schedule = (expression: string, due: () => void, clock: Clock, signal: AbortSignal) => Promise<void>

export const scheduleByCron: Schedule = async (expression, due, clock, signal) => {
  const every = parseDuration(/^@every (.+)$/.exec(expression)?.[1] ?? '')
  if (every !== undefined) return await repeat(every, due, clock, signal)
  const { schedule } = await import('./node-cron.ts')
  if (signal.aborted) return
  const task = schedule(cronOf(expression), due, {
    unref: true,
    suppressMissedWarning: true,
    // A busy machine's late timer still means that the snapshot is due.
    missedExecutionTolerance: 60_000,
  })
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  await task.destroy()
}

/** In the five fields that node-cron reads. */
export function cronOf(expression: string): string {
  return (cronDescriptors[expression] ?? expression).replaceAll('?', '*')
}

async function repeat(everyMs: number, due: () => void, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => {})
    if (!signal.aborted) due()
  }
}
