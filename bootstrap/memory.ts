/**
 * Gives memory back to the machine when there is little to do. V8 keeps the pages that a start or a burst of work took (some
 * 35 MB) until it is asked for them; asking holds the process for about 100 ms, so it is done seldom, and only when nobody waits.
 */
import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './client/clock.ts'

export interface MemoryEffects {
  readonly clock: Clock
  /** The share of time the event loop was busy since the last call, 0 to 1. */
  busy(): number
  /** Resident memory, in bytes. */
  resident(): number
  /** Collects all garbage and returns the free pages. */
  collect(): void
  /** What must have been taken since the last time, in bytes, so that it is worth the while; 20 MB. */
  readonly worthwhile?: number
}

const lookEveryMs = 10_000
const restMs = 300_000
const idleBelow = 0.05
const usuallyWorthwhile = 20 * 1024 * 1024

/** Looks every ten seconds until the signal aborts: first soon after the start, then at most every five minutes. */
export async function returnMemoryWhenIdle(effects: MemoryEffects, signal: AbortSignal) {
  const { clock, busy, resident, collect, worthwhile = usuallyWorthwhile } = effects
  let kept = 0
  let notBefore = 0
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal).catch(() => {})
    const isIdle = busy() < idleBelow
    if (signal.aborted || !isIdle || clock.now() < notBefore || resident() - kept < worthwhile) continue
    collect()
    kept = resident()
    notBefore = clock.now() + restMs
  }
}

/** This process's own memory. */
export function processMemory(clock: Clock): MemoryEffects {
  let before = performance.eventLoopUtilization()
  let gc: ((options: object) => void) | undefined
  return {
    clock,
    busy() {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      return utilization
    },
    resident: () => process.memoryUsage.rss(),
    collect() {
      if (!gc) {
        setFlagsFromString('--expose-gc')
        gc = runInNewContext('gc') as (options: object) => void
      }
      gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    },
  }
}
