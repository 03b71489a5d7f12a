/**
 * Loaded into a measured server (NODE_OPTIONS=--import): on SIGUSR2 it writes the longest time the event loop stood still
 * since the last SIGUSR2, in ms, to the file SKIFF_BENCH_STALLS.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const file = process.env.SKIFF_BENCH_STALLS
if (isMainThread && file !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  process.on('SIGUSR2', () => {
    writeFileSync(`${file}.tmp`, String(delays.max / 1e6))
    renameSync(`${file}.tmp`, file)
    delays.reset()
  })
}
