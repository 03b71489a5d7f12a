/** Rotates containers' logs: at 10 MiB, five files each, older ones compressed. */
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Clock } from '../../client/clock.ts'
import type { Runtime } from '../runtime.ts'

export interface RotationDeps {
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly log: { warn(fields: object, message: string): void }
  /** Running containers and where they log to. */
  running(): readonly { readonly id: string; readonly logPath: string; readonly runtime: Runtime }[]
}

const maximumBytes = 10 * 1024 * 1024
const maximumFiles = 5
const checkMs = 10_000

/** Looks at every running container's log until aborted: writes to a file are too many to be watched. */
export async function rotateLogs(deps: RotationDeps): Promise<void> {
  const { clock, signal, log } = deps
  while (!signal.aborted) {
    await clock.sleep(checkMs, signal).catch(() => undefined)
    for (const { id, logPath, runtime } of signal.aborted ? [] : deps.running()) {
      const size = await stat(logPath).then(
        info => info.size,
        () => 0,
      )
      if (size < maximumBytes) continue
      await rotate(logPath, () => runtime.reopenContainerLog(id), clock.now()).catch(error =>
        log.warn({ log: logPath, error: (error as Error).message }, 'log not rotated'),
      )
    }
  }
}

/** "20260102-030405", what rotated files are suffixed with. */
export function rotationSuffix(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
}

/** Moves the file away, has a fresh one opened, compresses all rotated ones but the newest, and drops the oldest. */
export async function rotate(path: string, reopen: () => Promise<void>, now: number): Promise<void> {
  const rotated = `${path}.${rotationSuffix(now)}`
  await rename(path, rotated)
  try {
    await reopen()
  } catch (error) {
    await rename(rotated, path)
    throw error
  }
  const directory = dirname(path)
  const others = (await readdir(directory)).filter(name => name.startsWith(`${basename(path)}.`)).sort()
  const dropped = others.slice(0, Math.max(0, others.length - (maximumFiles - 1)))
  for (const name of dropped) await rm(join(directory, name), { force: true })
  for (const name of others.slice(dropped.length, -1)) {
    if (name.endsWith('.gz')) continue
    const source = join(directory, name)
    await pipeline(createReadStream(source), createGzip(), createWriteStream(`${source}.gz`))
    await rm(source)
  }
}
