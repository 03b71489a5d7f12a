/**
 * What revisions promise beyond single registers: one order of all writes that agrees with time, lists that show one moment,
 * and watchers who are told of every change once, in order, over all reconnections.
 */
import type { History, Observed, Operation } from './history.ts'

export interface Change {
  readonly key: string
  readonly revision: number
  /** Undefined: deleted. */
  readonly value?: string | undefined
  /** What was there before, where the watcher is told; null is nothing. */
  readonly previous?: Observed | null | undefined
}

/** What one watcher was told, from before the first write on; in the order in which it was told. */
export type WatchLog = readonly Change[]

/** Lines about everything that is wrong. */
export function checkRevisions(history: History, watchers: readonly WatchLog[]): string[] {
  const log = watchers[0] ?? []
  return [
    ...watchers.flatMap((watcher, index) => checkOrder(watcher, index)),
    ...watchers.slice(1).flatMap((watcher, index) => checkSame(log, watcher, index + 1)),
    ...checkPrevious(watchers),
    ...checkWrites(history.operations, log),
    ...checkTime(history),
    ...checkListings(history, log),
  ]
}

function checkOrder(watcher: WatchLog, index: number): string[] {
  return watcher.flatMap((change, at) => {
    const before = watcher[at - 1]
    if (!before || change.revision > before.revision) return []
    return [`watcher ${index} was told of revision ${change.revision} after ${before.revision}`]
  })
}

function checkSame(log: WatchLog, watcher: WatchLog, index: number): string[] {
  const text = ({ key, revision, value }: Change) => `${revision} ${key} ${value ?? 'deleted'}`
  const [theirs, ours] = [new Set(log.map(text)), new Set(watcher.map(text))]
  return [
    ...[...theirs].filter(line => !ours.has(line)).map(line => `watcher ${index} was not told of ${line}`),
    ...[...ours].filter(line => !theirs.has(line)).map(line => `watcher 0 was not told of ${line}`),
  ]
}

function checkPrevious(watchers: readonly WatchLog[]): string[] {
  return watchers.flatMap((watcher, index) => {
    const state = new Map<string, Observed>()
    return watcher.flatMap(({ key, revision, value, previous }) => {
      const before = state.get(key) ?? null
      if (value === undefined) state.delete(key)
      else state.set(key, { value, revision })
      const where = `watcher ${index}, revision ${revision} of ${key}`
      if (value === undefined && before === null) return [`${where}: deleted, but it was not there`]
      if (previous === undefined || JSON.stringify(before) === JSON.stringify(previous)) return []
      return [`${where}: before it was ${JSON.stringify(before)}, but the watcher was told ${JSON.stringify(previous)}`]
    })
  })
}

/** Every acknowledged write is in the log as it was told, every change of the log was asked for and not refused. */
function checkWrites(operations: readonly Operation[], log: WatchLog): string[] {
  const found: string[] = []
  const byRevision = new Map(log.map(change => [change.revision, change]))
  const deletions = new Set<string>()
  const state = new Map<string, number>()
  for (const { key, revision, value } of log) {
    if (value === undefined) deletions.add(`${key} ${state.get(key)}`)
    else state.set(key, revision)
  }
  const puts = new Map<string, Change>()
  for (const change of log) {
    if (change.value === undefined) continue
    const other = puts.get(change.value)
    if (other) found.push(`${change.value} was written twice, as ${other.revision} and ${change.revision}`)
    puts.set(change.value, change)
  }
  const asked = new Map<string, Operation>()
  for (const operation of operations) {
    const { key, input, output } = operation
    if ('value' in input) asked.set(input.value, operation)
    if (output.type !== 'done') continue
    const told = output.revision
    if (input.op === 'delete') {
      if (!deletions.has(`${key} ${input.expected}`))
        found.push(`nobody was told of the deletion of ${key} at ${input.expected}`)
      const change = told === undefined ? undefined : byRevision.get(told)
      if (told !== undefined && (change?.key !== key || change.value !== undefined))
        found.push(`the deletion of ${key} as ${told} is not what was watched: ${JSON.stringify(change)}`)
    } else if ('value' in input) {
      const change = puts.get(input.value)
      if (!change) found.push(`nobody was told of ${input.value} of ${key}, acknowledged as ${told}`)
      else if (change.key !== key || (told !== undefined && change.revision !== told))
        found.push(`${input.value} of ${key}, acknowledged as ${told}, was watched as ${JSON.stringify(change)}`)
    }
  }
  for (const [value, change] of puts) {
    const operation = asked.get(value)
    if (!operation) found.push(`${value} of ${change.key} was never asked for`)
    else if (operation.output.type === 'refused') found.push(`${value} of ${change.key} was refused and written`)
  }
  return found
}

/** What was acknowledged before something else was asked for has the smaller revision. */
function checkTime({ operations, listings }: History): string[] {
  const ends = [
    ...operations.flatMap(({ output, invoked, returned }) =>
      output.type === 'done' && output.revision !== undefined
        ? [{ invoked, returned, revision: output.revision, strict: true }]
        : [],
    ),
    ...listings.map(({ invoked, returned, revision }) => ({ invoked, returned, revision, strict: false })),
  ]
  const byCall = ends.toSorted((a, b) => a.invoked - b.invoked)
  const byReturn = ends.toSorted((a, b) => a.returned - b.returned)
  const found: string[] = []
  let [latest, at] = [0, 0]
  for (const end of byCall) {
    for (; byReturn[at]!.returned < end.invoked; at++) latest = Math.max(latest, byReturn[at]!.revision)
    if (end.revision < latest || (end.strict && end.revision === latest))
      found.push(
        `${end.strict ? 'a write' : 'a list'} asked for at ${end.invoked} got revision ${end.revision}, after ${latest} had been told`,
      )
  }
  return found
}

function checkListings({ listings }: History, log: WatchLog): string[] {
  const state = new Map<string, Observed>()
  let at = 0
  return listings
    .toSorted((a, b) => a.revision - b.revision)
    .flatMap(({ revision, entries, via }) => {
      for (; at < log.length && log[at]!.revision <= revision; at++) {
        const { key, value, revision: own } = log[at]!
        if (value === undefined) state.delete(key)
        else state.set(key, { value, revision: own })
      }
      const keys = [...new Set([...state.keys(), ...entries.keys()])]
      const wrong = keys.filter(key => JSON.stringify(state.get(key)) !== JSON.stringify(entries.get(key)))
      return wrong.map(
        key =>
          `a list via ${via} at ${revision} shows ${key} as ${JSON.stringify(entries.get(key))}, it was ${JSON.stringify(state.get(key))}`,
      )
    })
}
