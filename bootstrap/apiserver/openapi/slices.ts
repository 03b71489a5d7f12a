/** Long work in short slices, so that the event loop stays free. */
import { setImmediate } from 'node:timers/promises'

const sliceMilliseconds = 8

/** Collects what a generator yields, letting other work run whenever a slice of time is used up. */
export async function collected<T>(work: Iterable<T>): Promise<T[]> {
  const result: T[] = []
  let started = performance.now()
  for (const part of work) {
    result.push(part)
    if (performance.now() - started < sliceMilliseconds) continue
    await setImmediate()
    started = performance.now()
  }
  return result
}
