/** From SQLite to etcd in place: --cluster-init on a server that has its data in SQLite. */
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../client/clock.ts'
import type { Datastore, Entry } from '../datastore/datastore.ts'
import { openEtcd } from '../datastore/etcd/etcd.ts'
import { shiftKey } from '../datastore/etcd/shifted.ts'
import { openSqlite } from '../datastore/sqlite/sqlite.ts'
import type { TlsMaterial } from '../datastore/tls-files.ts'
import { writeAtomically } from '../pki/files.ts'
import { type EtcdFiles, etcdFiles, exists } from './files.ts'
import type { EtcdLog } from './process.ts'

/** Written side by side: values stay in the order of their last changes up to this many. */
const together = 64

/**
 * To be called before the member starts. True when what is in SQLite has to be copied: there is such a file, and etcd either
 * has no data or was left in the middle of a copy, of which nothing is kept.
 */
export async function prepareMigration(dataDir: string, clusterInit: boolean): Promise<boolean> {
  const files = etcdFiles(dataDir)
  const begun = await exists(files.migrating)
  const source = await exists(files.sqlite)
  if (begun && !source) {
    // The source was put aside, so the copy is whole.
    await rm(files.migrating)
    return false
  }
  if (begun) {
    await rm(files.dir, { recursive: true, force: true })
    return true
  }
  if (!clusterInit || !source || (await exists(files.wal))) return false
  await writeAtomically(files.migrating, '')
  await syncFolder(dirname(files.migrating))
  return true
}

/** What to do when the server is started without --cluster-init after a migration was cut short. */
export const migrationBegun = (dataDir: string): Promise<boolean> => exists(etcdFiles(dataDir).migrating)

export interface MigrationEffects {
  readonly clock: Clock
  readonly log: EtcdLog
  /** After each step, for tests that end the process there. */
  step?(): Promise<void> | void
}

/**
 * Copies every key to the member, which is fresh and alone, in the order of their last changes. Revisions go on where SQLite
 * was: those who watch from before are told to list again (shifted.ts). The SQLite file becomes state.db.migrated, which is
 * the moment from which etcd holds the cluster's data.
 */
export async function migrate(
  dataDir: string,
  endpoint: string,
  tls: TlsMaterial,
  { clock, log, step }: MigrationEffects,
): Promise<void> {
  const files = etcdFiles(dataDir)
  log.info({}, 'Migrating content from sqlite to etcd')
  const source = await openSqlite({ file: files.sqlite, clock })
  let copied: number
  try {
    const target = await openEtcd({ endpoints: [endpoint], tls, clock })
    try {
      copied = await copy(source, target, step)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
  await putSourceAside(files)
  await step?.()
  await rm(files.migrating)
  log.info({ keys: copied }, 'Migrated content from sqlite to etcd')
}

async function copy(source: Datastore, target: Datastore, step?: MigrationEffects['step']): Promise<number> {
  const before = await target.revision()
  const { entries, revision } = await source.read('')
  const ordered = entries.toSorted((a, b) => a.revision - b.revision)
  for (let i = 0; i < ordered.length; i += together) {
    await Promise.all(ordered.slice(i, i + together).map(entry => create(target, entry)))
    await step?.()
  }
  const shift = revision - before
  if (shift > 0) await create(target, { key: shiftKey, value: Buffer.from(String(shift)) })
  // Whoever has seen revisions of SQLite lists anew.
  await target.compact(await target.revision())
  await step?.()
  return ordered.length
}

const create = (target: Datastore, { key, value }: Pick<Entry, 'key' | 'value'>) =>
  target.commit({ op: 'create', key, value })

async function putSourceAside(files: EtcdFiles): Promise<void> {
  await rename(files.sqlite, `${files.sqlite}.migrated`)
  await syncFolder(dirname(files.sqlite))
  for (const suffix of ['-wal', '-shm']) await rm(`${files.sqlite}${suffix}`, { force: true })
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync()
  await folder.close()
}
