/** What `server` and `agent` share as processes: secrets from files, signals, and an end that does not wait for others. */
import { readFileSync } from 'node:fs'
import { ConfigError, type FlagValues } from '../config/parse.ts'
import type { Logger } from '../log.ts'
import { serviceManager } from './service.ts'

/** A secret given by its own flag or, less visibly, as a file. */
export function secret(values: FlagValues, flag: string, fileFlag: string): string | undefined {
  const file = values.string(fileFlag)
  if (values.given(flag) || file === undefined) return values.string(flag)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new ConfigError(`cannot read --${fileFlag} ${file}: ${(error as Error).message}`)
  }
}

/** Starts something, tells systemd when it is up, and stops it when the process is asked to end. Resolves with the exit code. */
export async function runUntilAsked(
  host: NodeJS.Process,
  log: Logger,
  start: (signal: AbortSignal) => Promise<{ stop(): Promise<void> }>,
): Promise<number> {
  const stopAsked = new AbortController()
  const { signal } = stopAsked
  const tellUp = serviceManager(host.env, log)
  for (const name of ['SIGTERM', 'SIGINT'] as const) host.once(name, () => stopAsked.abort())
  const ended = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  // Nothing else may hold a process that waits for a server.
  const held = setInterval(() => {}, 2 ** 30)
  try {
    const running = await start(signal)
    tellUp()
    await ended
    await running.stop()
  } catch (error) {
    if (signal.aborted) return 0
    endSoon(host, log)
    throw error
  } finally {
    clearInterval(held)
  }
  log.info({}, 'stopped')
  endSoon(host, log)
  return 0
}

const lingerMs = 1500

/** All is stopped: whatever still holds the process, a socket somebody else has to close, does not hold it long. */
function endSoon(host: NodeJS.Process, log: Logger): void {
  const timer = setTimeout(() => {
    log.warn(
      { held: [...new Set(host.getActiveResourcesInfo())] },
      'something still holds the process; it ends all the same',
    )
    host.exit(host.exitCode)
  }, lingerMs)
  timer.unref()
}
