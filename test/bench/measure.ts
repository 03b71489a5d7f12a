/** Timing: medians, percentiles, closed loops of clients. */
import { performance } from 'node:perf_hooks'

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)

/** Milliseconds that `work` takes. */
export async function timed(work: () => unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

/** Runs `work` `count` times, one after the other; resolves with what each resolved with. */
export async function repeat<T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const samples: T[] = []
  for (let i = 0; i < count; i++) samples.push(await work(i))
  return samples
}

export interface Rate {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
}

/** `clients` at once, each starting its next piece of work when the last is done, until `count` are done. */
export async function rate(
  clients: number,
  count: number,
  work: (i: number, client: number) => unknown,
): Promise<Rate> {
  const latencies: number[] = []
  let next = 0
  const started = performance.now()
  const run = async (_: unknown, client: number) => {
    while (next < count) {
      const i = next++
      latencies.push(await timed(() => work(i, client)))
    }
  }
  await Promise.all(Array.from({ length: clients }, run))
  const seconds = (performance.now() - started) / 1000
  return { perSecond: count / seconds, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}
