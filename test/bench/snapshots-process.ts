/**
 * What `test/bench/snapshots.ts` measures, in a process of its own, so that its memory is that of this work alone. The first
 * argument is JSON: what to do; the answer is a line of JSON.
 */
import { systemClock } from '../../bootstrap/client/clock.ts'
import type { Datastore } from '../../bootstrap/datastore/datastore.ts'
import { openDatastore } from '../../bootstrap/datastore/open.ts'
import { silent } from '../../bootstrap/datastore/testing/processes.ts'
import { takeSnapshot } from '../../bootstrap/snapshots/take.ts'
import { testPrograms } from '../../bootstrap/snapshots/testing/programs.ts'
import { verifySnapshot } from '../../bootstrap/snapshots/verify.ts'
import { percentile, timed } from './measure.ts'

export interface Work {
  readonly do: 'fill' | 'take' | 'verify'
  /** As --datastore-endpoint has it; '' for SQLite. */
  readonly endpoint: string
  readonly sqlite: string
  readonly snapshot: string
  readonly compress: boolean
  readonly passphrase?: string
  readonly megabytes: number
  readonly dir: string
}

export interface Done {
  readonly ms: number
  /** What the process grew by at most. */
  readonly grownMb: number
  /** The longest stretch in which nothing else could run, as the thread's own work: what other processes take does not count. */
  readonly heldMs: number
  /** Of writes that went on meanwhile: how many, the 99th percentile and the worst. */
  readonly writes: { readonly count: number; readonly p99Ms: number; readonly worstMs: number }
}

const valueBytes = 10_000
const clients = 64
const { signal } = new AbortController()

/** Half of it compresses, as objects do. */
function objectOf(i: number): Buffer {
  const random = Array.from({ length: valueBytes / 2 / 8 }, (_, j) =>
    ((i * 7919 + j) * 2654435761).toString(36).slice(0, 8),
  )
  const data = { random: random.join(''), text: 'the same in all of them '.repeat(valueBytes / 2 / 24) }
  return Buffer.from(JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: `c${i}` }, data }))
}

async function fill(store: Datastore, megabytes: number): Promise<void> {
  const count = Math.round((megabytes * 1e6) / valueBytes)
  let next = 0
  const client = async () => {
    for (let i = next++; i < count; i = next++)
      await store.commit({ op: 'create', key: `/registry/configmaps/default/c${i}`, value: objectOf(i) })
  }
  await Promise.all(Array.from({ length: clients }, client))
}

/** One client writes small objects, one after the other, until the work is done. */
async function beside(store: Datastore, work: Promise<unknown>): Promise<number[]> {
  const samples: number[] = []
  let over = false
  const ended = work.finally(() => {
    over = true
  })
  ended.catch(() => undefined)
  const value = objectOf(0)
  for (let i = 0; !over; i++) {
    const key = `/registry/configmaps/beside/${process.pid}-${i}`
    samples.push(await timed(() => store.commit({ op: 'create', key, value })))
  }
  await ended
  return samples
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

async function measured(work: () => Promise<number[]>): Promise<Done> {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  const before = process.memoryUsage.rss()
  let most = before
  let held = 0
  let used = cpuMs()
  const watching = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
    const now = cpuMs()
    held = Math.max(held, now - used)
    used = now
  }, 1)
  let samples: number[] = []
  const ms = await timed(async () => {
    samples = await work()
  })
  clearInterval(watching)
  const writes = { count: samples.length, p99Ms: percentile(samples, 0.99), worstMs: Math.max(0, ...samples) }
  return { ms, grownMb: (most - before) / 1e6, heldMs: held, writes }
}

async function run(work: Work): Promise<Done> {
  const { snapshot: file, dir, compress } = work
  const secret = work.passphrase === undefined ? {} : { passphrase: work.passphrase }
  if (work.do === 'verify')
    return measured(async () => {
      await verifySnapshot(file, { dir, signal, programs: testPrograms, ...secret })
      return []
    })
  const settings = {
    endpoint: work.endpoint,
    file: work.sqlite,
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
  }
  const store = await openDatastore(settings, { clock: systemClock, log: silent })
  try {
    if (work.do === 'fill') return await measured(() => fill(store, work.megabytes).then(() => []))
    return await measured(() => beside(store, takeSnapshot(store, { file, compress, signal, ...secret })))
  } finally {
    await store.close()
  }
}

process.stdout.write(`${JSON.stringify(await run(JSON.parse(process.argv[2]!) as Work))}\n`)
