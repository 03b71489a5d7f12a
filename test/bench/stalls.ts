/** The longest stall of a measured server's event loop (see stall-monitor.ts). */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** For the environment of a server whose stalls are asked for. */
export function stallMonitor(directory: string): NodeJS.ProcessEnv {
  const file = join(import.meta.dirname, 'stall-monitor.ts')
  return { NODE_OPTIONS: `--import ${file}`, SKIFF_BENCH_STALLS: join(directory, 'stalls') }
}

/** Resolves with the longest stall (ms) since the last call. */
export async function longestStall(pid: number, directory: string): Promise<number> {
  const file = join(directory, 'stalls')
  process.kill(pid, 'SIGUSR2')
  while (!existsSync(file)) await delay(5)
  const ms = Number(readFileSync(file, 'utf8'))
  rmSync(file)
  return ms
}
