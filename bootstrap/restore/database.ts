/** A restore into the database of --datastore-endpoint: filled beside the log in use, and exchanged for it. */
import { systemClock } from '../client/clock.ts'
import type { Bundle } from '../cluster/bundle.ts'
import { parseBundle } from '../cluster/bundle.ts'
import { knownPassword } from '../cluster/open.ts'
import { sealedKey, sealedPrefix, unseal } from '../cluster/seal.ts'
import { ConfigError } from '../config/parse.ts'
import type { ServerConfig } from '../config/server-config.ts'
import type { Datastore } from '../datastore/datastore.ts'
import { engineOf } from '../datastore/endpoint.ts'
import { openDatastore } from '../datastore/open.ts'
import type { Beside } from '../datastore/sql/beside.ts'
import { readTlsFiles } from '../datastore/tls-files.ts'
import type { Logger } from '../log.ts'
import { serverPassword } from '../pki/token.ts'
import type { RestoreInput } from './data.ts'
import { counted, load } from './load.ts'
import { ownEntries } from './secrets.ts'
import type { Step } from './steps.ts'

/**
 * Resolves with what exchanges the logs. ConfigError, the log in use as it was, where the database holds another cluster than
 * the snapshot's: whoever means it removes that cluster's tables first.
 */
export async function prepareDatabase(
  config: ServerConfig,
  { snapshot, source, bundle, at }: RestoreInput,
  log: Logger,
  suffix: string,
): Promise<{ readonly steps: readonly Step[]; readonly keys: number }> {
  const used = await openDatastore({ ...config.datastore, file: '' }, { clock: systemClock, log })
  try {
    await refuseOthers(config, used, bundle)
  } finally {
    await used.close()
  }
  const beside = (await besideOf(config, log))!
  const entries = counted(ownEntries(source, snapshot.entries()))
  try {
    const store = await beside.open(at)
    try {
      await load(entries, store)
    } finally {
      await store.close()
    }
  } catch (error) {
    await beside.drop().catch(() => undefined)
    throw error
  }
  return { steps: [{ do: 'exchange', database: beside.name, suffix }], keys: entries.count }
}

/** Of a database it is not seen whose it is, but its secrets open with the token of its servers, and name their CA. */
async function refuseOthers(config: ServerConfig, used: Datastore, bundle: Bundle): Promise<void> {
  const { entries } = await used.read('', { limit: 1 })
  if (entries.length === 0) return
  const { entries: sealed } = await used.read(sealedPrefix)
  const onDisk = await knownPassword({ dataDir: config.dataDir, token: undefined })
  const passwords = [config.token === undefined ? undefined : serverPassword(config.token), onDisk]
  for (const password of passwords) {
    const entry = password === undefined ? undefined : sealed.find(({ key }) => key === sealedKey(password))
    if (!entry || entry.value.length === 0) continue
    const there = parseBundle(String(await unseal(password!, entry.value)))
    if (there.ServerCA?.Content === bundle.ServerCA?.Content) return
  }
  throw new ConfigError(
    "--cluster-reset-restore-path: the database of --datastore-endpoint holds another cluster than the snapshot's: name another database, or remove its tables skiff_log and skiff_meta first",
  )
}

async function besideOf({ datastore }: ServerConfig, log: Logger): Promise<Beside | undefined> {
  const engine = engineOf(datastore.endpoint)
  const tls = await readTlsFiles(datastore)
  switch (engine.name) {
    case 'postgres': {
      const { besidePostgres } = await import('../datastore/postgres/beside.ts')
      return besidePostgres({ source: engine.source, tls, clock: systemClock, log })
    }
    case 'mysql': {
      const { besideMysql } = await import('../datastore/mysql/beside.ts')
      return besideMysql({ source: engine.source, tls, clock: systemClock, log })
    }
    default:
      return undefined
  }
}

/** Once more does no harm. ConfigError where it cannot be done now: with other flags, or a database that is away. */
export async function exchangeDatabase(
  config: ServerConfig,
  database: string,
  suffix: string,
  log: Logger,
): Promise<void> {
  const beside = await besideOf(config, log)
  if (beside?.name !== database)
    throw new ConfigError(`a restore into ${database} is not finished: start with its --datastore-endpoint`)
  try {
    const kept = await beside.exchange(suffix)
    if (kept !== undefined) log.info({}, `what the database held before is kept in its ${kept}`)
  } catch (error) {
    throw new ConfigError(`a restore into ${database} is not finished: ${(error as Error).message}`)
  }
}
