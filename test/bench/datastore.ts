/** The datastore and the watch cache by themselves, without HTTP, next to what SQLite itself does on this machine. */
import { join } from 'node:path'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { openStore } from '../../bootstrap/apiserver/store/open-store.ts'
import type { ResourceStore } from '../../bootstrap/apiserver/store/store.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { openSqlite } from '../../bootstrap/datastore/sqlite/sqlite.ts'
import { rate } from './measure.ts'
import { withDirectory } from './programs.ts'
import { report } from './row.ts'
import { sqliteGrouped, sqliteSingle } from './sqlite-floor.ts'

const smallBytes = 2048
const podBytes = 5632
const podCount = 10_000
const watcherCount = 1000

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

async function reportStalls<T>(figure: string, work: () => Promise<T>): Promise<T> {
  const { result, ms, longestStallMs } = await stalls(work)
  report({ figure, unit: 'ms', skiff: ms })
  report({ figure: '  longest event-loop stall', unit: 'ms', skiff: longestStallMs, budget: { value: 20 } })
  return result
}

function pod(namespace: string, name: string): KubeObject {
  const containers = [
    { name: 'main', image: 'example.org/app:1', env: [{ name: 'FILL', value: 'x'.repeat(podBytes - 300) }] },
  ]
  const metadata = { name, namespace, labels: { app: name.slice(-1) }, uid: crypto.randomUUID() }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers }, status: { phase: 'Pending' } }
}

async function durableWrites(dir: string): Promise<void> {
  const floors = {
    1: { value: sqliteSingle(dir), what: 'raw SQLite, one insert of 2 KB per transaction' },
    64: { value: sqliteGrouped(dir), what: 'raw SQLite, 64 inserts of 2 KB per transaction' },
  }
  const datastore = await openSqlite({ file: join(dir, 'writes.db'), clock: systemClock })
  const value = Buffer.alloc(smallBytes, 'x')
  for (const [clients, count] of [
    [1, 3000],
    [64, 20_000],
  ] as const) {
    const create = (i: number) => datastore.commit({ op: 'create', key: `/r/${clients}/${i}`, value })
    const made = await rate(clients, count, create)
    const figure = `datastore: durable writes, ${clients} at once`
    report({ figure, unit: '/s', skiff: made.perSecond, floor: floors[clients] })
    report({ figure: '  p99', unit: 'ms', skiff: made.p99 })
  }
  await datastore.close()
}

async function lists(pods: ResourceStore): Promise<void> {
  await reportStalls('watch cache: list of 10,000 pods, joined', async () => {
    const { items } = await pods.list({})
    for (let from = 0; from < items.length; from += 1000) {
      Buffer.concat(items.slice(from, from + 1000).map(item => item.bytes))
      await new Promise(setImmediate)
    }
  })
  const match = (stored: { labels: { app?: string } }) => stored.labels.app === '7'
  for (const name of ['first', 'second'])
    await reportStalls(`watch cache: list by label, ${name} time`, () => pods.list({ match }))
}

async function fanOut(pods: ResourceStore): Promise<void> {
  const stop = new AbortController()
  const writes = 2000
  const watching = Array.from({ length: watcherCount }, async () => {
    let mine = 0
    for await (const events of pods.watch({ after: pods.revision, signal: stop.signal }))
      if ((mine += events.length) === writes) return
  })
  await new Promise(setImmediate)
  const { ms, longestStallMs } = await stalls(() =>
    Promise.all([rate(16, writes, i => pods.create(pod('fan', `p${i}`))), ...watching]),
  )
  stop.abort()
  const perSecond = (watcherCount * writes * 1000) / ms
  report({ figure: `watch cache: fan-out to ${watcherCount}`, unit: '/s', skiff: perSecond })
  report({ figure: '  longest event-loop stall', unit: 'ms', skiff: longestStallMs, budget: { value: 20 } })
}

async function watchCache(dir: string): Promise<void> {
  const file = join(dir, 'store.db')
  const filling = await openSqlite({ file, clock: systemClock })
  const writer = await openStore({ datastore: filling, clock: systemClock })
  const written = await writer.resource('', 'pods', true)
  const made = await rate(64, podCount, i => written.create(pod(`ns${i % 50}`, `pod-${i}`)))
  report({ figure: 'watch cache: durable creates of 5.5 KB, 64 at once', unit: '/s', skiff: made.perSecond })
  await writer.close()
  await filling.close()

  const datastore = await reportStalls('datastore: open a file of 10,000 keys', () =>
    openSqlite({ file, clock: systemClock }),
  )
  const store = await openStore({ datastore, clock: systemClock })
  const pods = await reportStalls('watch cache: fill with 10,000 pods', () => store.resource('', 'pods', true))
  await lists(pods)
  await fanOut(pods)
  await store.close()
  await datastore.close()
}

await withDirectory(durableWrites)
await withDirectory(watchCache)
