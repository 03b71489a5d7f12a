/**
 * --cluster-reset-restore-path: a cluster as it was when a snapshot was taken, on any engine (k3s-io/k3s pkg/etcd, pkg/cluster).
 * Everything is read, checked and prepared beside what there is; only then it is decided, and files change their names.
 */
import { existsSync } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { systemClock } from '../client/clock.ts'
import { type Bundle, writeFiles } from '../cluster/bundle.ts'
import { knownPassword } from '../cluster/open.ts'
import { ConfigError } from '../config/parse.ts'
import type { ServerConfig } from '../config/server-config.ts'
import { UnavailableError } from '../datastore/datastore.ts'
import { EndpointError } from '../datastore/endpoint.ts'
import { etcdFiles } from '../etcd/files.ts'
import { previouslyReset, resetMessage } from '../etcd/reset.ts'
import { snapshotPrograms } from '../kernel-snapshots.ts'
import { lockDataDir } from '../lock.ts'
import type { Logger } from '../log.ts'
import { ensureToken, TokenError } from '../pki/token.ts'
import { openSnapshot } from '../snapshots/open.ts'
import { readPassphrase } from '../snapshots/passphrase.ts'
import { SnapshotError } from '../snapshots/snapshot.ts'
import type { Userland } from '../userland.ts'
import { prepareData } from './data.ts'
import { decide, forgetPrepared, restorePaths, restoreState } from './journal.ts'
import { revisionAfterRestore } from './load.ts'
import { RestoreTokenError, sealedEntries, unsealBundle } from './secrets.ts'
import { settleRestore } from './settle.ts'
import { immovable, type Step } from './steps.ts'

export interface RestoreEffects {
  readonly log: Logger
  readonly userland: () => Promise<Pick<Userland, 'fetchSnapshot'>>
  readonly signal: AbortSignal
  /** After each step, for tests that end the process there. */
  step?(name: string): Promise<void> | void
}

const restoredMessage =
  'The snapshot has been restored, restart without --cluster-reset flag now. ' +
  'Servers and agents that are still running have to be restarted, too'

/** Resolves with what to tell the user. ConfigError in one line, nothing touched, when it cannot be done. */
export async function restoreCluster(config: ServerConfig, effects: RestoreEffects): Promise<string> {
  const source = config.etcd.restorePath!
  await mkdir(join(config.dataDir, 'server/db'), { recursive: true, mode: 0o700 })
  const unlock = await lockDataDir(config.dataDir)
  try {
    const finished = await settleRestore(config, effects)
    if (finished === source) return messageFor(config)
    const { resetFlag } = etcdFiles(config.dataDir)
    if (existsSync(resetFlag)) throw previouslyReset(resetFlag)
    await restore(config, source, effects)
    return messageFor(config)
  } catch (error) {
    await dropPrepared(config.dataDir)
    throw explained(error as Error & { code?: string }, source)
  } finally {
    unlock()
  }
}

const userErrors = [SnapshotError, RestoreTokenError, TokenError, EndpointError]
/** The machine's, not ours: disk full, over quota, read-only, failing, not allowed. */
const machineErrors = /\b(ENOSPC|EDQUOT|EROFS|EIO|EACCES|EPERM|SQLITE_FULL|SQLITE_IOERR|disk is full|disk I\/O error)\b/

function explained(error: Error & { code?: string }, source: string): Error {
  if (userErrors.some(kind => error instanceof kind)) return new ConfigError(error.message)
  const passing = error instanceof UnavailableError || machineErrors.test(`${error.code} ${error.message}`)
  return passing ? new ConfigError(`cannot restore ${source}: ${error.message}`) : error
}

async function dropPrepared(dataDir: string): Promise<void> {
  if ((await restoreState(dataDir)).state === 'none') await forgetPrepared(dataDir)
}

const messageFor = ({ dataDir }: ServerConfig) => (existsSync(etcdFiles(dataDir).wal) ? resetMessage : restoredMessage)

async function restore(config: ServerConfig, source: string, effects: RestoreEffects): Promise<void> {
  const { dataDir } = config
  const { log, signal, step } = effects
  const { preparedDb } = restorePaths(dataDir)
  await mkdir(preparedDb, { recursive: true, mode: 0o700 })
  const file = await locate(config, source, effects)
  const snapshot = await openSnapshot(file, {
    dir: preparedDb,
    passphrase: await readPassphrase(config.etcd.snapshotPassphraseFile),
    signal,
    programs: snapshotPrograms,
  })
  let data: Awaited<ReturnType<typeof prepareData>>
  try {
    const password = await knownPassword(config)
    const bundle = await unsealBundle(source, await sealedEntries(snapshot.entries()), password)
    await step?.('checked')
    await prepareFiles(config, bundle, password!)
    const at = revisionAfterRestore(systemClock.now(), snapshot.revision)
    data = await prepareData(config, { snapshot, source, bundle, at }, { log, signal })
    await step?.('prepared')
    log.info({ snapshot: source, form: snapshot.form, engine: data.engine, keys: data.keys }, 'restoring the snapshot')
  } finally {
    await snapshot.close()
  }
  const steps = [...fileSteps(dataDir, data.suffix), ...data.steps, ...lastSteps]
  const mounted = await immovable(steps, dataDir)
  if (mounted !== undefined)
    throw new ConfigError(`${mounted} is a mount point and cannot be moved aside: mount its parent folder instead`)
  await decide(dataDir, { source, engine: data.engine, steps })
  await step?.('decided')
  await settleRestore(config, effects)
}

/** The file on this machine. Messages about paths are K3s' own. */
async function locate(
  config: ServerConfig,
  source: string,
  { userland, log, signal }: RestoreEffects,
): Promise<string> {
  if (config.s3) {
    const { fetchSnapshot } = await userland()
    if (!fetchSnapshot) throw new ConfigError('--etcd-s3: this program has no S3')
    const to = join(restorePaths(config.dataDir).preparedDb, basename(source))
    log.info({}, `Retrieving etcd snapshot ${source} from S3`)
    try {
      await fetchSnapshot(config, source, to, signal)
    } catch (error) {
      const isPath = source.includes('/') && existsSync(source)
      const hint = isPath ? ': for the file of this machine give --etcd-s3=false, too' : ''
      throw new ConfigError(`${(error as Error).message}${hint}`)
    }
    log.info({}, `S3 download complete for ${source}`)
    return to
  }
  const found = await stat(source).catch(() => undefined)
  if (!found) throw new ConfigError(`etcd: snapshot path does not exist: ${source}`)
  if (!found.isFile()) throw new ConfigError(`etcd: snapshot path must be a file, not a directory: ${source}`)
  return resolve(source)
}

/** CAs, keys and passwords as files below a folder that stands for the data directory. */
async function prepareFiles(config: ServerConfig, bundle: Bundle, password: string): Promise<void> {
  const { prepared } = restorePaths(config.dataDir)
  await rm(prepared, { recursive: true, force: true })
  await writeFiles(prepared, bundle, Object.keys(bundle))
  const serverCaPem = Buffer.from(bundle.ServerCA?.Content ?? '', 'base64').toString()
  await ensureToken({
    dataDir: prepared,
    serverCaPem,
    token: password,
    keepAgentToken: true,
    ...(config.agentToken === undefined ? {} : { agentToken: config.agentToken }),
  })
}

const tokenFiles = ['token', 'node-token', 'agent-token']
const secretFiles = ['passwd', 'ipsec.psk', 'encryption-config.json', 'encryption-state.json']

function fileSteps(dataDir: string, suffix: string): Step[] {
  const tls: Step = { do: 'aside', from: 'server/tls', to: `server/tls-${suffix}` }
  return [
    ...(existsSync(join(dataDir, 'server/tls')) ? [tls] : []),
    { do: 'place', from: 'server/restoring/server/tls', to: 'server/tls' },
    ...secretFiles.map(name => place(`server/cred/${name}`)),
    ...tokenFiles.map(name => place(`server/${name}`)),
  ]
}

const place = (path: string): Step => ({ do: 'place', from: `server/restoring/${path}`, to: path })

/** What agents know of servers may be of others than those that come back. */
const lastSteps: readonly Step[] = [
  { do: 'remove', path: 'agent/etc/k3s-agent-load-balancer.json' },
  { do: 'remove', path: 'agent/etc/k3s-api-server-agent-load-balancer.json' },
  { do: 'mark', path: 'server/db/reset-flag' },
]
