/** The log in a MySQL or MariaDB database. */
import type { Datastore } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { defaultLimits, type Limits } from '../sql/limits.ts'
import { openSql } from '../sql/open.ts'
import type { TlsMaterial } from '../tls-files.ts'
import { connect, type Dialer, NoDatabaseError } from './connect.ts'
import { logConnection } from './log.ts'
import { prepareSchema } from './schema.ts'
import type { Session } from './session.ts'
import { describe, readSource } from './source.ts'

export interface MysqlOptions {
  /** What follows "mysql://". */
  readonly source: string
  readonly tls: TlsMaterial
  readonly clock: Clock
  readonly log: Logger
  readonly limits?: Partial<Limits>
  /** In place of the one that the source names. */
  readonly database?: string
}

/** Nobody announces what other servers write: it is looked for, often while they do and seldom while they do not. */
const lookMs = { least: 20, most: 1000 }

/** Opens the log, creating the database and its tables where they are missing. EndpointError in one line. */
export async function openMysql(options: MysqlOptions): Promise<Datastore> {
  const { tls, clock, log, limits: given } = options
  const read = readSource(options.source, tls)
  const source = { ...read, database: options.database ?? read.database }
  const limits = { ...defaultLimits, lookMs, ...given }
  const dialer: Dialer = { source, clock, limits }
  return openSql({
    name: describe(source),
    prepare: () => prepare(dialer, log),
    connect: async () => logConnection(await connect(dialer, source.database)),
    limits,
    clock,
    log,
  })
}

async function prepare(dialer: Dialer, log: Logger): Promise<void> {
  const { database } = dialer.source
  const session = await connect(dialer, database).catch(async (error: unknown) => {
    if (!(error instanceof NoDatabaseError)) throw error
    await closing(await connect(dialer, undefined), async server => {
      await server.query(`CREATE DATABASE IF NOT EXISTS \`${database.replaceAll('`', '``')}\``)
    })
    return connect(dialer, database)
  })
  await closing(session, async () => {
    await prepareSchema(session, database)
    const [row] = await session.query<[[number]]>('SELECT @@innodb_flush_log_at_trx_commit')
    if (row[0] !== 1)
      log.warn(
        { innodb_flush_log_at_trx_commit: row[0] },
        'the database does not write what it commits to disk at once: a crash loses acknowledged writes',
      )
  })
}

async function closing(session: Session, work: (session: Session) => Promise<void>): Promise<void> {
  try {
    await work(session)
  } finally {
    await session.close()
  }
}
