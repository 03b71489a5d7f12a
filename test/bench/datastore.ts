/** Figures of the datastore and the watch cache, one JSON line each, next to what SQLite itself does on this machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import Database from 'better-sqlite3'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { openStore } from '../../bootstrap/apiserver/store/open-store.ts'
import type { ResourceStore } from '../../bootstrap/apiserver/store/store.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { openSqlite } from '../../bootstrap/datastore/sqlite/sqlite.ts'

const smallBytes = 2048
const podBytes = 5632
const podCount = 10_000
const watcherCount = 1000

type Figure = { readonly name: string } & { readonly [figure: string]: string | number }

function report(figure: Figure): void {
  console.log(JSON.stringify(figure, (_, value) => (typeof value === 'number' ? Number(value.toFixed(2)) : value)))
}

/** Runs `work` `count` times from `clients` at once and reports the rate and the latencies (ms). */
async function rate(name: string, clients: number, count: number, work: (i: number) => unknown): Promise<void> {
  const latencies: number[] = []
  let next = 0
  const started = performance.now()
  const client = async () => {
    while (next < count) {
      const before = performance.now()
      await work(next++)
      latencies.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  const seconds = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  const percentile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))]!
  report({ name, clients, perSecond: count / seconds, p50Ms: percentile(0.5), p99Ms: percentile(0.99) })
}

/** Runs `work` and returns how long it took and the longest time the event loop stood still meanwhile (ms). */
async function stalls<T>(work: () => Promise<T>): Promise<{ result: T; ms: number; longestStallMs: number }> {
  let longestStallMs = 0
  let last = performance.now()
  const sample = () => {
    const now = performance.now()
    longestStallMs = Math.max(longestStallMs, now - last)
    last = now
  }
  let watching = true
  const loop = () => {
    sample()
    if (watching) setImmediate(loop)
  }
  setImmediate(loop)
  const started = performance.now()
  const result = await work()
  const ms = performance.now() - started
  sample()
  watching = false
  return { result, ms, longestStallMs }
}

function pod(namespace: string, name: string): KubeObject {
  const containers = [
    { name: 'main', image: 'example.org/app:1', env: [{ name: 'FILL', value: 'x'.repeat(podBytes - 300) }] },
  ]
  const metadata = { name, namespace, labels: { app: name.slice(-1) }, uid: crypto.randomUUID() }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers }, status: { phase: 'Pending' } }
}

async function floor(dir: string): Promise<void> {
  const db = new Database(join(dir, 'floor.db'))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB NOT NULL)')
  const insert = db.prepare('INSERT INTO log (key, value) VALUES (?, ?)')
  const value = Buffer.alloc(smallBytes, 'x')
  await rate('floor: raw SQLite, one insert per transaction', 1, 3000, i => insert.run(`/r/${i}`, value))
  const many = db.transaction((from: number) => {
    for (let i = 0; i < 64; i++) insert.run(`/r/${from}-${i}`, value)
  })
  const started = performance.now()
  for (let i = 0; i < 150; i++) many(i)
  report({
    name: 'floor: raw SQLite, 64 inserts per transaction',
    perSecond: (150 * 64000) / (performance.now() - started),
  })
  db.close()
}

async function durableWrites(dir: string): Promise<void> {
  const datastore = await openSqlite({ file: join(dir, 'writes.db'), clock: systemClock })
  const value = Buffer.alloc(smallBytes, 'x')
  for (const [clients, count] of [
    [1, 3000],
    [64, 20_000],
  ] as const) {
    const create = (i: number) => datastore.commit({ op: 'create', key: `/r/${clients}/${i}`, value })
    await rate('datastore: durable writes of 2 KB', clients, count, create)
  }
  await datastore.close()
}

async function lists(pods: ResourceStore): Promise<void> {
  const full = await stalls(async () => {
    const { items } = await pods.list({})
    let bytes = 0
    for (let from = 0; from < items.length; from += 1000) {
      bytes += Buffer.concat(items.slice(from, from + 1000).map(item => item.bytes)).byteLength
      await new Promise(setImmediate)
    }
    return bytes
  })
  report({
    name: 'list of 10,000 objects, joined',
    bytes: full.result,
    ms: full.ms,
    longestStallMs: full.longestStallMs,
  })
  for (const name of ['first', 'second']) {
    const match = (stored: { labels: { app?: string } }) => stored.labels.app === '7'
    const { result, ms, longestStallMs } = await stalls(() => pods.list({ match }))
    report({ name: `list by label, ${name} time`, items: result.items.length, ms, longestStallMs })
  }
}

async function fanOut(pods: ResourceStore): Promise<void> {
  const stop = new AbortController()
  const writes = 2000
  let delivered = 0
  const watching = Array.from({ length: watcherCount }, async () => {
    let mine = 0
    for await (const events of pods.watch({ after: pods.revision, signal: stop.signal })) {
      delivered += events.length
      if ((mine += events.length) === writes) return
    }
  })
  await new Promise(setImmediate)
  const { ms, longestStallMs } = await stalls(async () => {
    let next = 0
    const client = async () => {
      while (next < writes) await pods.create(pod('fan', `p${next++}`))
    }
    await Promise.all([...Array.from({ length: 16 }, client), ...watching])
  })
  stop.abort()
  report({
    name: `fan-out to ${watcherCount} watchers`,
    events: delivered,
    perSecond: (delivered * 1000) / ms,
    longestStallMs,
  })
}

async function watchCache(dir: string): Promise<void> {
  const file = join(dir, 'store.db')
  const filling = await openSqlite({ file, clock: systemClock })
  const writer = await openStore({ datastore: filling, clock: systemClock })
  const written = await writer.resource('', 'pods', true)
  await rate('store: durable creates of 5.5 KB objects', 64, podCount, i =>
    written.create(pod(`ns${i % 50}`, `pod-${i}`)),
  )
  await writer.close()
  await filling.close()

  const opened = await stalls(() => openSqlite({ file, clock: systemClock }))
  report({ name: 'open a database of 10,000 keys', ms: opened.ms, longestStallMs: opened.longestStallMs })
  const datastore = opened.result
  const store = await openStore({ datastore, clock: systemClock })
  const loaded = await stalls(() => store.resource('', 'pods', true))
  report({ name: 'fill the watch cache', ms: loaded.ms, longestStallMs: loaded.longestStallMs })
  await lists(loaded.result)
  await fanOut(loaded.result)
  await store.close()
  await datastore.close()
}

const dir = await mkdtemp(join(tmpdir(), 'skiff-bench-'))
try {
  await floor(dir)
  await durableWrites(dir)
  await watchCache(dir)
} finally {
  await rm(dir, { recursive: true, force: true })
}
