/** The embedded etcd of a server, from its settings: whether there is one, its start, its reset. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from './agent/containerd/supervisor.ts'
import { systemClock } from './client/clock.ts'
import { JoinError, onceServing } from './cluster/join.ts'
import { ConfigError } from './config/parse.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { EmbeddedEtcd, EmbeddedOptions } from './etcd/embedded.ts'
import { etcdFiles } from './etcd/files.ts'
import { AnswerError, type ServerAccess } from './join/server-access.ts'
import { lockDataDir } from './lock.ts'
import type { Logger } from './log.ts'
import type { Pki } from './pki/pki.ts'

/** Asked for, joined, or there already; never where --datastore-endpoint names another datastore. */
export function wantsEtcd({ dataDir, datastore, etcd, joinUrl }: ServerConfig): boolean {
  if (datastore.endpoint !== '') return false
  const files = etcdFiles(dataDir)
  return etcd.clusterInit || joinUrl !== undefined || existsSync(files.wal) || existsSync(files.migrating)
}

/** Nobody has used it yet. */
export function isNewEtcd({ dataDir, joinUrl }: ServerConfig): boolean {
  const files = etcdFiles(dataDir)
  return joinUrl === undefined && ![files.wal, files.migrating, files.sqlite].some(existsSync)
}

export interface EtcdEffects {
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Starts the member, and copies to it what the server has in SQLite; see startEmbedded for how long it takes and what it throws. */
export async function startEtcd(
  config: ServerConfig,
  pki: Pki,
  others: (() => Promise<ServerAccess>) | undefined,
  { log, signal }: EtcdEffects,
): Promise<EmbeddedEtcd> {
  const { startEmbedded } = await import('./etcd/embedded.ts')
  const { migrate, prepareMigration } = await import('./etcd/migrate.ts')
  const options = {
    ...(await etcdOptions(config, pki)),
    ...(others ? { others: () => clientUrls(config, others, { log, signal }) } : {}),
  }
  const pending = await prepareMigration(config.dataDir, config.etcd.clusterInit)
  const etcd = await startEmbedded(options, etcdEffects(log, signal))
  if (!pending) return etcd
  try {
    await migrate(config.dataDir, etcd.endpoint, options.tls, { clock: systemClock, log })
  } catch (error) {
    await etcd.stop()
    throw error
  }
  return etcd
}

/** --cluster-reset: resolves with what to tell the user once it is done. ConfigError when it cannot be. */
export async function resetEtcd(config: ServerConfig, openPki: () => Promise<Pki>, log: Logger): Promise<string> {
  const { wal, dir } = etcdFiles(config.dataDir)
  if (!existsSync(wal)) throw new ConfigError(`--cluster-reset: there is no embedded etcd in ${dir}, nothing to reset`)
  const unlock = await lockDataDir(config.dataDir)
  try {
    await mkdir(join(config.dataDir, 'server/tls'), { recursive: true, mode: 0o700 })
    const { resetCluster, resetMessage } = await import('./etcd/reset.ts')
    const effects = etcdEffects(log.child({ component: 'etcd' }), new AbortController().signal)
    await resetCluster(await etcdOptions(config, await openPki()), effects)
    return resetMessage
  } finally {
    unlock()
  }
}

/** /db/info: the members in etcd's own form, identities being whole numbers. */
export async function membersOf(etcd: EmbeddedEtcd): Promise<object> {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }
  return { members: (await etcd.members()).map(member => ({ ...member, ID: rawJSON(member.ID) })) }
}

/** JoinError when nobody who can be reached serves. */
async function clientUrls(
  { joinUrl: url = '' }: ServerConfig,
  others: () => Promise<ServerAccess>,
  effects: EtcdEffects,
): Promise<readonly string[]> {
  try {
    return await onceServing({ url, clock: systemClock, ...effects }, async () => clientUrlsOf(await others()))
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error
    throw new JoinError(`cannot join ${url}: ${error.message}`, { cause: error })
  }
}

async function clientUrlsOf(server: ServerAccess): Promise<readonly string[]> {
  const { members = [] } = JSON.parse(String(await server.get('/db/info'))) as {
    members?: { readonly isLearner?: boolean; readonly clientURLs?: readonly string[] }[]
  }
  return members.filter(({ isLearner }) => !isLearner).flatMap(({ clientURLs = [] }) => clientURLs)
}

/** ConfigError where etcd is not installed. */
export async function etcdOptions(config: ServerConfig, { etcd, etcdServerCa }: Pki): Promise<EmbeddedOptions> {
  const program = await findProgram('etcd')
  if (program === undefined)
    throw new ConfigError(
      'etcd not found in PATH: a server with embedded etcd needs the program (on Debian: apt-get install etcd-server)',
    )
  return {
    program,
    dataDir: config.dataDir,
    nodeName: config.nodeName,
    address: config.nodeIps[0]!,
    tls: { ca: etcdServerCa.cert, cert: etcd!.etcdClient.cert, key: etcd!.etcdClient.key },
    exposeMetrics: config.etcd.exposeMetrics,
    args: config.etcd.args,
    debug: config.debug,
  }
}

export const etcdEffects = (log: Logger, signal: AbortSignal) => ({
  clock: systemClock,
  random: Math.random,
  uuid: randomUUID,
  log,
  signal,
})
