/** The datastore of a restore: which engine it is for, prepared beside the one there is. */
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { systemClock } from '../client/clock.ts'
import type { Bundle } from '../cluster/bundle.ts'
import { ConfigError } from '../config/parse.ts'
import type { ServerConfig } from '../config/server-config.ts'
import type { Revision } from '../datastore/datastore.ts'
import { engineOf } from '../datastore/endpoint.ts'
import { etcdEffects, etcdOptions } from '../embedded-etcd.ts'
import { etcdFiles } from '../etcd/files.ts'
import { snapshotPrograms } from '../kernel-snapshots.ts'
import type { Logger } from '../log.ts'
import { openPki } from '../open-shared.ts'
import type { OpenedSnapshot, SnapshotForm } from '../snapshots/snapshot.ts'
import { prepareDatabase } from './database.ts'
import { restorePaths } from './journal.ts'
import { counted, load } from './load.ts'
import { ownEntries } from './secrets.ts'
import type { Step } from './steps.ts'

export interface RestoreInput {
  readonly snapshot: OpenedSnapshot
  /** As the user named it, for messages. */
  readonly source: string
  readonly bundle: Bundle
  /** Where revisions go on. */
  readonly at: Revision
}

export interface PreparedData {
  readonly engine: Target['engine']
  /** What puts it in its place. */
  readonly steps: readonly Step[]
  readonly keys: number
  /** What is moved aside is named by it: K3s' unix seconds. */
  readonly suffix: string
}

export type Target =
  | { readonly engine: 'etcd' }
  | { readonly engine: 'sqlite'; readonly file: string }
  | { readonly engine: 'sql' }

interface Effects {
  readonly log: Logger
  readonly signal: AbortSignal
}

/** All of the snapshot is read on the way: SnapshotError where it cannot be, nothing being touched. */
export async function prepareData(config: ServerConfig, input: RestoreInput, effects: Effects): Promise<PreparedData> {
  const target = targetOf(config, input.snapshot.form)
  const suffix = unusedSuffix(config.dataDir)
  switch (target.engine) {
    case 'etcd':
      return { engine: 'etcd', suffix, ...(await prepareEtcd(config, input, suffix, effects)) }
    case 'sqlite':
      return { engine: 'sqlite', suffix, ...(await prepareSqlite(config, target.file, input, suffix)) }
    case 'sql':
      return { engine: 'sql', suffix, ...(await prepareDatabase(config, input, effects.log, suffix)) }
  }
}

/** Flags decide; without any, what this server has; a server that has nothing becomes what the snapshot is of. */
function targetOf({ dataDir, datastore, etcd }: ServerConfig, form: SnapshotForm): Target {
  const files = etcdFiles(dataDir)
  const sqlite: Target = { engine: 'sqlite', file: files.sqlite }
  if (datastore.endpoint !== '') {
    const engine = engineOf(datastore.endpoint)
    if (engine.name === 'sqlite') return { engine: 'sqlite', file: engine.file ?? files.sqlite }
    if (engine.name === 'etcd')
      throw new ConfigError(
        '--cluster-reset-restore-path: an etcd of your own is restored by its own program (etcdctl snapshot restore)',
      )
    return { engine: 'sql' }
  }
  if (etcd.clusterInit || existsSync(files.dir)) return { engine: 'etcd' }
  if (existsSync(files.sqlite)) return sqlite
  return form === 'etcd' ? { engine: 'etcd' } : sqlite
}

/** Nothing was put aside under it before. */
function unusedSuffix(dataDir: string): string {
  const taken = (seconds: number) =>
    ['db/etcd-old', 'db/sqlite-old', 'tls'].some(name => existsSync(join(dataDir, `server/${name}-${seconds}`)))
  let seconds = Math.floor(systemClock.now() / 1000)
  while (taken(seconds)) seconds++
  return `${seconds}`
}

async function prepareEtcd(
  config: ServerConfig,
  { snapshot, source, at }: RestoreInput,
  suffix: string,
  { log, signal }: Effects,
): Promise<Pick<PreparedData, 'steps' | 'keys'>> {
  const { prepared, preparedDb } = restorePaths(config.dataDir)
  const settings = { ...config, dataDir: prepared, etcd: { ...config.etcd, clusterInit: true } }
  const options = await etcdOptions(settings, await openPki(settings))
  const dir = join(preparedDb, 'etcd')
  const { stageEtcd } = await import('../etcd/restore.ts')
  const entries = counted(ownEntries(source, snapshot.entries()))
  const etcdctl = snapshot.form === 'etcd' ? await snapshotPrograms.etcdctl() : undefined
  const content =
    etcdctl === undefined
      ? ({ from: 'entries', entries } as const)
      : ({ from: 'snapshot', file: snapshot.nativeFile, etcdctl } as const)
  if (content.from === 'snapshot') for await (const _ of entries);
  await stageEtcd({ options, dir, at, content }, etcdEffects(log.child({ component: 'etcd' }), signal))
  const { sqlite, migrating } = etcdFiles('')
  const steps: Step[] = [
    ...aside(config.dataDir, relative(etcdFiles('').dir), `server/db/etcd-old-${suffix}`),
    ...sqliteAside(config.dataDir, relative(sqlite), suffix),
    { do: 'place', from: 'server/db/restoring/etcd', to: relative(etcdFiles('').dir) },
    { do: 'remove', path: relative(migrating) },
  ]
  return { steps, keys: entries.count }
}

async function prepareSqlite(
  config: ServerConfig,
  file: string,
  { snapshot, source, at }: RestoreInput,
  suffix: string,
): Promise<Pick<PreparedData, 'steps' | 'keys'>> {
  const staged = join(dirname(file), 'restoring', basename(file))
  for (const end of ['', '-wal', '-shm']) await rm(`${staged}${end}`, { force: true })
  await mkdir(dirname(staged), { recursive: true, mode: 0o700 })
  const { copyLog, emptyLog, settleLog } = await import('../datastore/sqlite/prepare.ts')
  let keys: number
  if (snapshot.form === 'sqlite') keys = await copyLog(snapshot.nativeFile, staged, at)
  else {
    await emptyLog(staged, at)
    const { openSqlite } = await import('../datastore/sqlite/sqlite.ts')
    const store = await openSqlite({ file: staged, clock: systemClock })
    try {
      keys = await load(ownEntries(source, snapshot.entries()), store)
    } finally {
      await store.close()
    }
  }
  await settleLog(staged)
  const { dir, migrating } = etcdFiles('')
  const steps: Step[] = [
    ...aside(config.dataDir, relative(dir), `server/db/etcd-old-${suffix}`),
    ...sqliteAside(config.dataDir, file, suffix),
    { do: 'place', from: staged, to: file },
    { do: 'remove', path: dirname(staged) },
    { do: 'remove', path: relative(migrating) },
  ]
  return { steps, keys }
}

/** The step only where there is something to put aside. */
const aside = (dataDir: string, from: string, to: string): Step[] =>
  existsSync(join(dataDir, from)) ? [{ do: 'aside', from, to }] : []

/** The file and what belongs to it. */
function sqliteAside(dataDir: string, file: string, suffix: string): Step[] {
  const folder = join(dirname(file), `sqlite-old-${suffix}`)
  return ['', '-wal', '-shm'].flatMap(end => {
    const from = `${file}${end}`
    return existsSync(from.startsWith('/') ? from : join(dataDir, from))
      ? [{ do: 'aside', from, to: join(folder, `${basename(file)}${end}`) } as const]
      : []
  })
}

const relative = (path: string) => path.replace(/^\//, '')
