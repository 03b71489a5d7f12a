/** Which engine holds the data: chosen by --datastore-endpoint, loaded only when chosen. */
import type { Datastore } from './datastore.ts'
import type { Clock, Logger } from './effects.ts'
import { type EngineOf, engineOf } from './endpoint.ts'
import { readTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.ts'

export interface DatastoreSettings extends TlsFiles {
  /** As --datastore-endpoint has it; empty for the SQLite file. */
  readonly endpoint: string
  /** The SQLite file where the endpoint names none. */
  readonly file: string
}

export interface DatastoreEffects {
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Opens what the endpoint names: nothing or "sqlite" for the file, postgres://, mysql://, or a list of http(s):// addresses
 * of etcd. EndpointError, in one line, when the endpoint makes no sense or what it names cannot be used as it is.
 */
export async function openDatastore(settings: DatastoreSettings, effects: DatastoreEffects): Promise<Datastore> {
  const engine = engineOf(settings.endpoint)
  const tls = engine.name === 'sqlite' ? {} : await readTlsFiles(settings)
  return open(engine, settings, tls, effects)
}

/** Whether other servers can use the same datastore. */
export function isShared(endpoint: string): boolean {
  return engineOf(endpoint).name !== 'sqlite'
}

async function open(
  engine: EngineOf,
  settings: DatastoreSettings,
  tls: TlsMaterial,
  { clock, log }: DatastoreEffects,
): Promise<Datastore> {
  switch (engine.name) {
    case 'sqlite': {
      const { openSqlite } = await import('./sqlite/sqlite.ts')
      return openSqlite({ file: engine.file ?? settings.file, clock, log })
    }
    case 'etcd': {
      const { openEtcd } = await import('./etcd/etcd.ts')
      return openEtcd({ endpoints: engine.endpoints, tls, clock, log })
    }
    case 'postgres': {
      const { openPostgres } = await import('./postgres/postgres.ts')
      return openPostgres({ source: engine.source, tls, clock, log })
    }
    case 'mysql': {
      const { openMysql } = await import('./mysql/mysql.ts')
      return openMysql({ source: engine.source, tls, clock, log })
    }
  }
}
