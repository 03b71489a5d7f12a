/** The log in a PostgreSQL database. */
import { randomUUID } from 'node:crypto'
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

export interface PostgresOptions {
  /** What follows "postgres://". */
  readonly source: string
  readonly tls: TlsMaterial
  readonly clock: Clock
  readonly log: Logger
  readonly limits?: Partial<Limits>
  /** Where the tables are, whatever the source says. */
  readonly schema?: string
}

/** Others announce what they write; looking all the same is for announcements that went missing. */
const lookMs = { least: 5000, most: 5000 }

/** Opens the log, creating the database and its tables where they are missing. EndpointError in one line. */
export async function openPostgres({
  source: text,
  tls,
  clock,
  log,
  limits: given,
  schema,
}: PostgresOptions): Promise<Datastore> {
  const read = readSource(text, tls)
  const source = { ...read, schema: schema ?? read.schema }
  const limits = { ...defaultLimits, lookMs, ...given }
  const dialer: Dialer = { source, clock, limits }
  const origin = randomUUID()
  return openSql({
    name: describe(source),
    prepare: () => prepare(dialer),
    connect: async () => logConnection(await connect(dialer), origin),
    limits,
    clock,
    log,
  })
}

async function prepare(dialer: Dialer): Promise<void> {
  const session = await connect(dialer).catch(async (error: unknown) => {
    if (!(error instanceof NoDatabaseError)) throw error
    await createDatabase(dialer)
    return connect(dialer)
  })
  await closing(session, () => prepareSchema(session, dialer.source.database))
}

async function createDatabase(dialer: Dialer): Promise<void> {
  const { database } = dialer.source
  const session = await connect(dialer, 'postgres')
  await closing(session, async () => {
    try {
      await session.run(`CREATE DATABASE "${database.replaceAll('"', '""')}" ENCODING 'UTF8' TEMPLATE template0`)
    } catch (error) {
      // Another server was quicker.
      if (!/already exists|duplicate key/.test((error as Error).message)) throw error
    }
  })
}

async function closing<T>(session: Session, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    await session.close()
  }
}
