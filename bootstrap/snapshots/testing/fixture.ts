/** Datastores to take snapshots of, and files around them. */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { systemClock } from '../../client/clock.ts'
import { writeDump } from '../../datastore/common/dump.ts'
import { send } from '../../datastore/common/snapshot-stream.ts'
import type { Datastore, SnapshotForm } from '../../datastore/datastore.ts'
import { openEtcd } from '../../datastore/etcd/etcd.ts'
import { openSqlite } from '../../datastore/sqlite/sqlite.ts'
import { startEtcdServer } from '../../datastore/testing/etcd-server.ts'

export interface Source {
  readonly store: Datastore
  close(): Promise<void>
}

/** An empty one whose snapshots have this form; of dumps, SQLite's contents, so that no database has to run. */
export async function storeOf(form: SnapshotForm): Promise<Source> {
  if (form === 'etcd') {
    const server = await startEtcdServer()
    const store = await openEtcd({ endpoints: [server.endpoint], clock: systemClock })
    return {
      store,
      async close() {
        await store.close()
        await server.destroy()
      },
    }
  }
  const dir = await mkdtemp(join(tmpdir(), 'skiff-source-'))
  const sqlite = await openSqlite({ file: join(dir, 'state.db'), clock: systemClock })
  return {
    store: form === 'sqlite' ? sqlite : dumping(sqlite),
    async close() {
      await sqlite.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function dumping(store: Datastore): Datastore {
  return {
    snapshotForm: 'dump',
    async snapshot(to: Writable, signal: AbortSignal) {
      const { entries, revision } = await store.read('')
      return { revision, bytes: await send(writeDump({ revision }, Readable.from(entries)), to, signal) }
    },
    read: (...args) => store.read(...args),
    commit: write => store.commit(write),
    watch: (...args) => store.watch(...args),
    compact: before => store.compact(before),
    health: () => store.health(),
    revision: () => store.revision(),
    close: () => store.close(),
  }
}

/** An object as the API server keeps it. */
export const configMap = (name: string, size = 200): { readonly key: string; readonly value: Buffer } => ({
  key: `/registry/configmaps/default/${name}`,
  value: Buffer.from(
    JSON.stringify({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name, uid: randomUUID() },
      data: { x: 'x'.repeat(size) },
    }),
  ),
})

export async function fill(store: Datastore, count: number, size?: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, i) => store.commit({ op: 'create', ...configMap(`c${i}`, size) })),
  )
}

export const mayMount = process.getuid?.() === 0 && process.platform === 'linux'
if (!mayMount) console.warn('full disks not tested: mounting a small tmpfs takes root')

/** Runs `work` while `dir` is a disk of this size. */
export async function onSmallDisk(dir: string, megabytes: number, work: () => Promise<void>): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', dir])
  try {
    await work()
  } finally {
    execFileSync('umount', ['-l', dir])
  }
}
