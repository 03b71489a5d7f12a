/** A run's verdict: every anomaly in words, with the history kept in a file when there is one. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkLinearizable } from './checker.ts'
import { checkRevisions } from './revisions.ts'
import type { Run } from './workload.ts'

export function anomaliesOf({ history, watchers }: Run): string[] {
  const verdict = checkLinearizable(history)
  const found = [
    ...(verdict.ok ? [] : [`register ${verdict.key} is not linearizable: ${verdict.story}`]),
    ...checkRevisions(history, watchers),
  ]
  if (found.length === 0) return []
  const file = join(mkdtempSync(join(tmpdir(), 'skiff-history-')), 'history.json')
  writeFileSync(
    file,
    JSON.stringify({ history, watchers }, (_, value) => (value instanceof Map ? [...value] : value)),
  )
  return [...found.slice(0, 20), `${found.length} in all; the history is in ${file}`]
}

/** How much a run has tried, for a log. */
export function summary({ history, watchers }: Run): string {
  const { operations, listings } = history
  const count = (type: string) => operations.filter(({ output }) => output.type === type).length
  const types = ['done', 'refused', 'seen', 'unknown'].map(type => `${count(type)} ${type}`)
  return `${types.join(', ')}, ${listings.length} lists, ${watchers[0]?.length} changes watched by ${watchers.length}`
}

/** Numbers from 0 to 1 that a seed repeats. */
export function seeded(seed: number): () => number {
  let state = (seed % 2147483646) + 1
  return () => (state = (state * 48271) % 2147483647) / 2147483647
}
