/** Completion indexes of Indexed Jobs, and their text form "0,2-4" (upstream job/indexed_job_utils.go). */
import type { Pod } from '../../../../bootstrap/client/resources.ts'

export const indexKey = 'batch.kubernetes.io/job-completion-index'

/** The index of a pod; undefined when it has none. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexKey]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** Reads the text form; indexes at or beyond `limit` are dropped. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>()
  for (const part of (text ?? '').split(',').filter(Boolean)) {
    const [first = 0, last = first] = part.split('-').map(Number)
    for (let index = first; index <= last && index < limit; index++) indexes.add(index)
  }
  return indexes
}

/** The text form: two in a row are listed, three and more are a range. */
export function indexesText(indexes: Iterable<number>): string {
  const runs: [first: number, last: number][] = []
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run && run[1] === index - 1) run[1] = index
    else runs.push([index, index])
  }
  const text = ([first, last]: [number, number]) =>
    first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`
  return runs.map(text).join(',')
}

/** The lowest `count` indexes that are neither taken nor completed. */
export function pendingIndexes(count: number, completions: number, taken: ReadonlySet<number>): readonly number[] {
  const pending: number[] = []
  for (let index = 0; index < completions && pending.length < count; index++) if (!taken.has(index)) pending.push(index)
  return pending
}
