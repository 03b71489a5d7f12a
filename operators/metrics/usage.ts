/** Keeps the last two points of everything and tells the usage between them (metrics-server: pkg/storage). */
import type { Batch, Point } from './decode.ts'

/** What was used between two points. */
export interface Usage {
  /** Nano cores. */
  readonly cpuNanos: number
  readonly memoryBytes: number
  /** ms since the epoch, of the later point. */
  readonly time: number
  readonly windowMs: number
}

interface Pair {
  readonly last: Point
  readonly previous: Point | undefined
}

type Containers = ReadonlyMap<string, Pair>

/** Younger containers give no usable average. */
const leastAgeMs = 10_000

export class UsageStore {
  readonly #resolutionMs: number
  #nodes: ReadonlyMap<string, Pair> = new Map()
  #pods: ReadonlyMap<string, Containers> = new Map()

  constructor(resolutionMs: number) {
    this.#resolutionMs = resolutionMs
  }

  /** Takes what all nodes said in one round; what is missing in it is forgotten. */
  store(batches: ReadonlyMap<string, Batch>): void {
    const nodes = new Map<string, Pair>()
    const pods = new Map<string, Containers>()
    for (const [name, batch] of batches) {
      if (batch.node) nodes.set(name, paired(batch.node, this.#nodes.get(name)))
      for (const [pod, containers] of batch.pods) {
        const before = this.#pods.get(pod)
        const pairs = [...containers].map(([container, point]): [string, Pair] => [
          container,
          this.#freshPair(point) ?? pairedContainer(point, before?.get(container)),
        ])
        pods.set(pod, new Map(pairs))
      }
    }
    this.#nodes = nodes
    this.#pods = pods
  }

  /** Some node's usage is known. */
  get ready(): boolean {
    return [...this.#nodes.values()].some(({ previous }) => previous !== undefined)
  }

  node(name: string): Usage | undefined {
    const pair = this.#nodes.get(name)
    return pair && usageOf(pair)
  }

  /** By container; undefined unless all of them are known. */
  pod(key: string): ReadonlyMap<string, Usage> | undefined {
    const containers = this.#pods.get(key)
    if (!containers) return undefined
    const usages = new Map<string, Usage>()
    for (const [name, pair] of containers) {
      if (!pair.previous) return undefined
      const usage = usageOf(pair)
      if (usage) usages.set(name, usage)
    }
    return usages
  }

  /** A container that started since the last round counts from its start. */
  #freshPair(point: Point): Pair | undefined {
    const age = point.time - point.startedAt
    if (point.startedAt >= point.time || age >= this.#resolutionMs || age < leastAgeMs) return undefined
    return { last: point, previous: { ...point, time: point.startedAt, cpuNanos: 0 } }
  }
}

function paired(point: Point, before: Pair | undefined): Pair {
  if (!before) return { last: point, previous: undefined }
  if (point.time > before.last.time) return { last: point, previous: before.last }
  const keep = before.previous && before.previous.time < point.time
  return { last: point, previous: keep ? before.previous : undefined }
}

/** A container that restarted begins anew. */
function pairedContainer(point: Point, before: Pair | undefined): Pair {
  const sameRun = before !== undefined && point.startedAt < before.last.time
  return paired(point, sameRun ? before : undefined)
}

function usageOf({ last, previous }: Pair): Usage | undefined {
  if (!previous || last.startedAt < previous.startedAt || last.cpuNanos < previous.cpuNanos) return undefined
  const windowMs = last.time - previous.time
  const cpuNanos = Math.floor(((last.cpuNanos - previous.cpuNanos) / windowMs) * 1000)
  return { cpuNanos, memoryBytes: last.memoryBytes, time: last.time, windowMs }
}
