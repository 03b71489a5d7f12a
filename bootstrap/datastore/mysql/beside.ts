/** The log that a restore fills, in a database of its own on the same server. */
import { type Beside, beginAt } from '../sql/beside.ts'
import { defaultLimits } from '../sql/limits.ts'
import { connect } from './connect.ts'
import { type MysqlOptions, openMysql } from './mysql.ts'
import { prepareSchema } from './schema.ts'
import { bytes, type Session } from './session.ts'
import { describe, readSource } from './source.ts'

const tables = ['skiff_log', 'skiff_meta']
const quoted = (name: string) => `\`${name.replaceAll('`', '``')}\``

/** The user has to be allowed to create databases. */
export function besideMysql(options: MysqlOptions): Beside {
  const source = readSource(options.source, options.tls)
  const limits = { ...defaultLimits, lookMs: { least: 20, most: 1000 }, ...options.limits }
  const used = source.database
  const prepared = `${used}_restore`
  const within = async <T>(database: string | undefined, work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await connect({ source, clock: options.clock, limits }, database)
    try {
      return await work(session)
    } finally {
      await session.close()
    }
  }
  const drop = `DROP DATABASE IF EXISTS ${quoted(prepared)}`
  return {
    name: describe(source),
    async open(at) {
      await within(undefined, session => session.query(`${drop}; CREATE DATABASE ${quoted(prepared)}`))
      await within(prepared, async session => {
        await prepareSchema(session, prepared)
        await session.query(beginAt(at))
      })
      return openMysql({ ...options, database: prepared })
    },
    exchange: suffix =>
      within(undefined, async session => {
        const kept = `${used}_old_${suffix}`
        const left = await session.query<unknown[]>(
          `SELECT 1 FROM information_schema.tables WHERE table_schema = ${bytes(prepared)} AND table_name = 'skiff_log'`,
        )
        if (left.length > 0) await session.query(renaming(used, prepared, kept))
        await session.query(drop)
        return left.length > 0 ? `database ${kept}` : undefined
      }),
    drop: () => within(undefined, async session => void (await session.query(drop))),
  }
}

/** Renaming several tables happens at once or not at all. */
function renaming(used: string, prepared: string, kept: string): string {
  const moves = tables.flatMap(table => [
    `${quoted(used)}.${table} TO ${quoted(kept)}.${table}`,
    `${quoted(prepared)}.${table} TO ${quoted(used)}.${table}`,
  ])
  return `CREATE DATABASE IF NOT EXISTS ${quoted(kept)}; RENAME TABLE ${moves.join(', ')}`
}
