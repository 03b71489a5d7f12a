/**
 * What `test/bench/restore.ts` measures, in a process of its own, so that its memory is that of the restore alone. The first
 * argument is JSON: what to do; the answer is a line of JSON.
 */
import type { Datastore } from '../../bootstrap/datastore/datastore.ts'
import { restoreCluster } from '../../bootstrap/restore/restore.ts'
import { asServer, configOf, quietLog, snapshotOf } from '../../bootstrap/restore/testing/restore-fixture.ts'
import { timed } from './measure.ts'

export type Work =
  /** Fills a new cluster with so much, in objects of ten kilobytes, and takes a snapshot of it. */
  | {
      readonly do: 'make'
      readonly dataDir: string
      readonly snapshot: string
      readonly megabytes: number
      /** Of an etcd; '' for SQLite. */
      readonly endpoint: string
    }
  | { readonly do: 'restore'; readonly dataDir: string; readonly snapshot: string; readonly flags: readonly string[] }

export interface Done {
  readonly ms: number
  /** What the process grew by at most. */
  readonly grownMb: number
}

export const token = 'secret'
const valueBytes = 10_000
const clients = 64

async function fill(store: Datastore, megabytes: number): Promise<void> {
  const count = Math.round((megabytes * 1e6) / valueBytes)
  const data = 'x'.repeat(valueBytes - 100)
  let next = 0
  const client = async () => {
    for (let i = next++; i < count; i = next++) {
      const value = Buffer.from(JSON.stringify({ kind: 'ConfigMap', metadata: { name: `c${i}` }, data: { data } }))
      await store.commit({ op: 'create', key: `/registry/configmaps/default/c${i}`, value })
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
}

async function run(work: Work): Promise<void> {
  if (work.do === 'make')
    return asServer(
      work.dataDir,
      token,
      async ({ datastore }) => {
        await fill(datastore, work.megabytes)
        await snapshotOf(datastore, work.snapshot)
      },
      work.endpoint,
    )
  const flags = ['--cluster-reset', `--cluster-reset-restore-path=${work.snapshot}`, '--token', token, ...work.flags]
  await restoreCluster(configOf(work.dataDir, ...flags), {
    log: quietLog,
    userland: () => Promise.reject(new Error('no userland')),
    signal: new AbortController().signal,
  })
}

const awake = setInterval(() => undefined, 1000)
globalThis.gc?.()
const before = process.memoryUsage.rss()
let most = before
const watching = setInterval(() => {
  most = Math.max(most, process.memoryUsage.rss())
}, 20)
const ms = await timed(() => run(JSON.parse(process.argv[2]!) as Work))
clearInterval(watching)
clearInterval(awake)
process.stdout.write(`${JSON.stringify({ ms, grownMb: (most - before) / 1e6 } satisfies Done)}\n`)
