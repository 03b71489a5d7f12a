/** The log that a restore fills, in a schema of its own. */
import { type Beside, beginAt } from '../sql/beside.ts'
import { defaultLimits } from '../sql/limits.ts'
import { connect } from './connect.ts'
import { openPostgres, type PostgresOptions } from './postgres.ts'
import { prepareSchema, schemaLock } from './schema.ts'
import type { Session } from './session.ts'
import { describe, readSource } from './source.ts'

const schema = 'skiff_restore'

/** The database is there: somebody has opened it as it is in use. */
export function besidePostgres(options: PostgresOptions): Beside {
  const source = readSource(options.source, options.tls)
  const limits = { ...defaultLimits, lookMs: { least: 5000, most: 5000 }, ...options.limits }
  const within = async <T>(at: typeof source, work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await connect({ source: at, clock: options.clock, limits })
    try {
      return await work(session)
    } finally {
      await session.close()
    }
  }
  return {
    name: describe(source),
    async open(at) {
      await within(source, session => session.run(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`))
      await within({ ...source, schema }, async session => {
        await prepareSchema(session, source.database)
        await session.run(beginAt(at))
      })
      return openPostgres({ ...options, schema })
    },
    exchange: suffix => within(source, session => exchange(session, `skiff_old_${suffix}`)),
    drop: () => within(source, session => session.run(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)),
  }
}

/** One transaction: indexes move with their tables, and the function that appends finds whatever has the names. */
async function exchange(session: Session, kept: string): Promise<string | undefined> {
  await session.run('BEGIN')
  await session.query('SELECT pg_advisory_xact_lock($1)', [schemaLock])
  const [found] = await session.query<[boolean, string | null]>(
    `SELECT to_regclass('${schema}.skiff_log') IS NOT NULL,
            (SELECT quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.oid = to_regclass('skiff_log'))`,
  )
  const [prepared, used] = found!
  if (!prepared || used === null) {
    await session.run('COMMIT')
    return undefined
  }
  const move = (table: string) =>
    `ALTER TABLE ${used}.${table} SET SCHEMA ${kept}; ALTER TABLE ${schema}.${table} SET SCHEMA ${used}`
  await session.run(
    `CREATE SCHEMA ${kept}; ${['skiff_log', 'skiff_meta'].map(move).join('; ')}; DROP SCHEMA ${schema} CASCADE; COMMIT`,
  )
  return `schema ${kept}`
}
