/**
 * Whether a history of registers is linearizable: whether each operation can be given one moment between its call and its
 * return so that, taken one after the other, all answers are right. The search is Wing and Gong's with Lowe's memory of
 * what has been tried; registers are independent, so each is searched alone.
 */
import { describe, type History, type Observed, type Operation } from './history.ts'

export type Verdict = { readonly ok: true } | { readonly ok: false; readonly key: string; readonly story: string }

/** A register while the search goes on; the revision of a write nobody was told is unknown. */
type State = { readonly value: string; readonly revision: number | undefined } | null

/**
 * Every listing counts as a read of every register it could show; what a refusal says of the register counts as a read of its
 * own, for a datastore may look after it has refused.
 */
export function checkLinearizable({ operations, listings }: History): Verdict {
  const byKey = Map.groupBy(operations, operation => operation.key)
  for (const [key, mine] of byKey) {
    const reads = listings.map(({ client, via, invoked, returned, entries }): Operation => {
      const output = { type: 'seen', entry: entries.get(key) ?? null } as const
      return { client, via, key, input: { op: 'get' }, output, invoked, returned }
    })
    const verdict = checkRegister(key, [...mine.flatMap(apart), ...reads])
    if (!verdict.ok) return verdict
  }
  return { ok: true }
}

function apart(operation: Operation): Operation[] {
  const { output } = operation
  if (output.type !== 'refused' || output.current === undefined) return [operation]
  const read = { ...operation, input: { op: 'get' }, output: { type: 'seen', entry: output.current } } as const
  return [{ ...operation, output: { type: 'refused' } }, read]
}

/** An end of an operation in time order; a ring-free double list from which taken operations are lifted. */
interface Node {
  readonly operation: Operation
  readonly index: number
  /** Undefined for a return. */
  readonly end: Node | undefined
  previous: Node | undefined
  next: Node | undefined
}

export function checkRegister(key: string, operations: readonly Operation[]): Verdict {
  const revisions = observedRevisions(operations)
  const certain = operations.filter(({ output }) => output.type !== 'unknown').length
  const head = ends(operations)
  const taken = new Uint32Array(Math.ceil(operations.length / 32))
  const tried = new Set<string>()
  const path: { readonly node: Node; readonly before: State }[] = []
  let state: State = null
  let count = 0
  let best: Operation[] = []
  let node = head.next
  while (count < certain) {
    if (node?.end) {
      const after = step(state, node.operation, revisions)
      if (after !== undefined && !isTried(tried, taken, node.index, after)) {
        path.push({ node, before: state })
        state = after
        if (node.operation.output.type !== 'unknown') count++
        lift(node)
        node = head.next
        if (path.length > best.length) best = path.map(({ node }) => node.operation)
        continue
      }
      node = node.next
      continue
    }
    // An operation has returned, or the list has ended, and what was certain has not all been taken: a wrong turn.
    const last = path.pop()
    if (!last) return { ok: false, key, story: story(operations, best) }
    state = last.before
    if (last.node.operation.output.type !== 'unknown') count--
    taken[last.node.index >> 5]! &= ~(1 << (last.node.index & 31))
    unlift(last.node)
    node = last.node.next
  }
  return { ok: true }
}

/** Remembers what has been taken with what result; true when that was known. Marks the operation as taken otherwise. */
function isTried(tried: Set<string>, taken: Uint32Array, index: number, state: State): boolean {
  taken[index >> 5]! |= 1 << (index & 31)
  const memory = `${taken.join()} ${state?.value ?? ''}`
  if (tried.has(memory)) {
    taken[index >> 5]! &= ~(1 << (index & 31))
    return true
  }
  tried.add(memory)
  return false
}

/** What the register becomes; undefined when the operation's answer would be wrong now. */
function step(state: State, { input, output }: Operation, revisions: ReadonlyMap<string, number>): State | undefined {
  if (output.type === 'seen') return same(state, output.entry) ? state : undefined
  const fits = input.op === 'create' ? state === null : input.op !== 'get' && state?.revision === input.expected
  if (output.type === 'refused') {
    return fits ? undefined : state
  }
  // An unknown outcome that changes nothing is one that is never taken.
  if (!fits || input.op === 'get') return undefined
  if (input.op === 'delete') return null
  const told = output.type === 'done' ? output.revision : undefined
  return { value: input.value, revision: told ?? revisions.get(input.value) }
}

function same(state: State, seen: Observed | null): boolean {
  return state?.value === seen?.value && state?.revision === seen?.revision
}

/** The revisions of values as anybody has seen them: those of writes whose answers were lost. */
function observedRevisions(operations: readonly Operation[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const { output } of operations) {
    const seen = output.type === 'seen' ? output.entry : undefined
    if (seen) found.set(seen.value, seen.revision)
  }
  return found
}

/** Calls and returns in order of time; where both are at the same time, the call first. Returns a head before the first. */
function ends(operations: readonly Operation[]): Node {
  const nodes = operations.flatMap((operation, index) => {
    const end: Node = { operation, index, end: undefined, previous: undefined, next: undefined }
    const call: Node = { operation, index, end, previous: undefined, next: undefined }
    return [
      { at: operation.invoked, order: 0, node: call },
      { at: operation.returned, order: 1, node: end },
    ]
  })
  nodes.sort((a, b) => (a.at === b.at ? a.order - b.order : a.at < b.at ? -1 : 1))
  const head: Node = { operation: operations[0]!, index: -1, end: undefined, previous: undefined, next: undefined }
  let last = head
  for (const { node } of nodes) {
    node.previous = last
    last.next = node
    last = node
  }
  return head
}

function lift(node: Node): void {
  for (const one of [node, node.end!]) {
    one.previous!.next = one.next
    if (one.next) one.next.previous = one.previous
  }
}

function unlift(node: Node): void {
  for (const one of [node.end!, node]) {
    one.previous!.next = one
    if (one.next) one.next.previous = one
  }
}

/** The longest order that was found, and what could not follow. */
function story(operations: readonly Operation[], best: readonly Operation[]): string {
  const done = new Set(best)
  const left = operations.filter(operation => !done.has(operation)).sort((a, b) => a.invoked - b.invoked)
  return [
    'this order explains the most:',
    ...best.slice(-12).map(describe),
    'but none of these can follow:',
    ...left.slice(0, 12).map(describe),
  ].join('\n')
}
