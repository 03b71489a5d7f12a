/**
 * Clients that create, change, delete, read and list registers through several stores at once, each on what it knows, while
 * watchers follow through every store. Returns what happened, for checker.ts and revisions.ts.
 */
import type { History, Input, Listing, Operation, Output } from './history.ts'
import type { Change } from './revisions.ts'
import type { Store } from './store.ts'

export interface WorkloadOptions {
  readonly stores: readonly Store[]
  readonly clients: number
  /** Registers in use at once; a new set takes their place from time to time, so that each has a history of some hundreds. */
  readonly registers: number
  readonly random: () => number
  /** Milliseconds. */
  readonly now: () => number
  /** How long a client waits for an answer before it goes on without; 8 s unless told. */
  readonly patienceMs?: number
  /** What goes wrong meanwhile. The clients go on until it is over, and a while longer. */
  readonly faults: () => Promise<void>
}

export interface Run {
  readonly history: History
  /** One for each store. */
  readonly watchers: readonly (readonly Change[])[]
}

const longestMs = 8000
const perRegister = 120
const settleMs = 300

export async function runWorkload(options: WorkloadOptions): Promise<Run> {
  const { stores, clients, faults } = options
  const operations: Operation[] = []
  const listings: Listing[] = []
  const start = await eventually(() => stores[0]!.revision())
  const followers = stores.map(store => follow(store, start))
  const stop = new AbortController()
  const record = { operations, listings, count: 0 }
  const running = Array.from({ length: clients }, (_, client) => runClient(client, options, record, stop.signal))
  await faults()
  await pause(settleMs)
  stop.abort()
  await Promise.all(running)
  // A last write that all watchers must see: then they have seen everything.
  const end = await lastWrite(options, record)
  for (const follower of followers) await follower.upTo(end)
  return { history: { operations, listings }, watchers: followers.map(({ changes }) => changes) }
}

interface Record {
  readonly operations: Operation[]
  readonly listings: Listing[]
  count: number
}

async function runClient(client: number, options: WorkloadOptions, record: Record, signal: AbortSignal): Promise<void> {
  const { stores, registers, random, now, patienceMs } = options
  const known = new Map<string, number>()
  for (let turn = 0; !signal.aborted; turn++) {
    const via = Math.floor(random() * stores.length)
    const store = stores[via]!
    const round = Math.floor(record.count / (registers * perRegister))
    const key = `r${String(round).padStart(4, '0')}-${Math.floor(random() * registers)}`
    if (random() < 0.06) {
      const invoked = now()
      const listed = await within(store.list(), patienceMs).catch(() => undefined)
      if (listed) record.listings.push({ client, via, invoked, returned: now(), ...listed })
      else await pause(20)
      continue
    }
    const input = choose(random(), `${client}.${turn}`, known.get(key))
    record.count++
    const invoked = now()
    const output = await perform(store, key, input, patienceMs)
    if (output === undefined) {
      await pause(20) // a read without an answer says nothing
      continue
    }
    const returned = output.type === 'unknown' ? Number.POSITIVE_INFINITY : now()
    record.operations.push({ client, via, key, input, output, invoked, returned })
    learn(known, key, input, output)
    await pause(output.type === 'unknown' ? 20 : random() * 3)
  }
}

function choose(dice: number, value: string, expected: number | undefined): Input {
  if (dice < 0.3) return { op: 'get' }
  if (expected === undefined || dice < 0.4) return { op: 'create', value }
  return dice < 0.88 ? { op: 'update', value, expected } : { op: 'delete', expected }
}

async function perform(store: Store, key: string, input: Input, patienceMs?: number): Promise<Output | undefined> {
  try {
    switch (input.op) {
      case 'get':
        return { type: 'seen', entry: await within(store.get(key), patienceMs) }
      case 'create':
        return await within(store.create(key, input.value), patienceMs)
      case 'update':
        return await within(store.update(key, input.value, input.expected), patienceMs)
      case 'delete':
        return await within(store.remove(key, input.expected), patienceMs)
    }
  } catch (error) {
    return input.op === 'get' ? undefined : { type: 'unknown', why: (error as Error).message }
  }
}

/** A client acts on what it was told last. */
function learn(known: Map<string, number>, key: string, input: Input, output: Output): void {
  const revision =
    output.type === 'seen'
      ? output.entry?.revision
      : output.type === 'refused'
        ? output.current?.revision
        : output.type === 'done' && input.op !== 'delete'
          ? output.revision
          : undefined
  if (revision !== undefined) known.set(key, revision)
  else if (output.type !== 'unknown') known.delete(key)
}

/** Follows one store over all reconnections. */
function follow(store: Store, start: number) {
  const changes: Change[] = []
  const stop = new AbortController()
  let seen = start
  let wake = () => {}
  const told = (more: readonly Change[], revision: number) => {
    changes.push(...more)
    seen = Math.max(seen, revision, more.at(-1)?.revision ?? 0)
    wake()
  }
  const running = (async () => {
    while (!stop.signal.aborted) {
      await store.watch(seen, told, stop.signal)
      await pause(20)
    }
  })()
  /** Ends it once everything up to that revision has been told. */
  const upTo = async (revision: number) => {
    const late = performance.now() + 30_000
    while (seen < revision && performance.now() < late) {
      await new Promise<void>(resolve => {
        wake = resolve
        setTimeout(resolve, 100)
      })
    }
    stop.abort()
    await running
  }
  return { changes, upTo }
}

/** Creates one more register; resolves with its revision. */
async function lastWrite({ stores, now }: WorkloadOptions, { operations }: Record): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const [key, value, invoked] = [`z-${attempt}`, `last.${attempt}`, now()]
    const output = (await perform(stores[0]!, key, { op: 'create', value }))!
    const returned = output.type === 'unknown' ? Number.POSITIVE_INFINITY : now()
    operations.push({ client: -1, via: 0, key, input: { op: 'create', value }, output, invoked, returned })
    if (output.type !== 'done') await pause(100)
    else return output.revision ?? (await eventually(() => stores[0]!.get(key)))!.revision
  }
}

async function within<T>(promise: Promise<T>, patienceMs = longestMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${patienceMs / 1000} s`)), patienceMs)
  })
  promise.catch(() => undefined)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (const late = performance.now() + 30_000; ; await pause(100))
    try {
      return await within(attempt())
    } catch (error) {
      if (performance.now() > late) throw error
    }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
