/** The log's operations as statements of PostgreSQL. */
import type { Key, Revision, Write } from '../datastore.ts'
import {
  type Batch,
  type Head,
  type HistoryRow,
  type LogConnection,
  type Outcome,
  type Range,
  smallValueBytes,
  type VersionRow,
} from '../sql/log-connection.ts'
import {
  type EntryColumns,
  entryOf,
  type HistoryColumns,
  historyOf,
  type VersionColumns,
  versionOf,
} from '../sql/rows.ts'
import { channel } from './schema.ts'
import type { Session } from './session.ts'

const small = (alias: string) => `CASE WHEN octet_length(${alias}.value) <= ${smallValueBytes} THEN ${alias}.value END`

const sql = {
  head: `SELECT (SELECT value FROM skiff_meta WHERE name = 'revision'), (SELECT value FROM skiff_meta WHERE name = 'compacted')`,
  append: 'SELECT * FROM skiff_append_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
  versions: `
    SELECT k.key, k.revision, k.create_revision, k.deleted, octet_length(l.value), ${small('l')}
    FROM (
      SELECT DISTINCT ON (key) key, revision, create_revision, deleted FROM skiff_log
      WHERE key >= $1 AND key < $2 AND revision <= $3 ORDER BY key, revision DESC LIMIT $4
    ) k JOIN skiff_log l ON l.revision = k.revision ORDER BY k.key`,
  count: `
    SELECT count(*) FROM (
      SELECT DISTINCT ON (key) deleted FROM skiff_log
      WHERE key >= $1 AND key < $2 AND revision <= $3 ORDER BY key, revision DESC
    ) k WHERE NOT deleted`,
  history: `
    SELECT l.key, l.revision, l.create_revision, l.deleted, octet_length(l.value), ${small('l')}, l.batch,
           p.revision, p.create_revision, octet_length(p.value), ${small('p')}
    FROM skiff_log l LEFT JOIN skiff_log p ON p.revision = l.prev_revision
    WHERE l.revision > $3 AND l.revision <= $4 AND l.key >= $1 AND l.key < $2 ORDER BY l.revision`,
  values: 'SELECT revision, value FROM skiff_log WHERE revision = ANY($1)',
  batchOf: 'SELECT batch FROM skiff_log WHERE revision = $1',
}

/** `origin` tells this process' own announcements apart. */
export function logConnection(session: Session, origin: string): LogConnection {
  const { query } = session
  return {
    gone: session.gone,
    close: session.close,

    async head(): Promise<Head> {
      const [row] = await query<[number, number]>(sql.head, [], 'head')
      return { revision: row![0], compacted: row![1] }
    },

    async append(batch: Batch): Promise<readonly Outcome[]> {
      const rows = await query<AppendRow>(
        sql.append,
        [batch.id, batch.since, origin, ...packed(batch.writes)],
        'append',
      )
      return rows.map((row, i) => outcomeOf(batch.writes[i]!.key, row))
    },

    async versions(range: Range, at: Revision, limit: number): Promise<readonly VersionRow[]> {
      const rows = await query<VersionColumns>(sql.versions, [...bounds(range), at, limit], 'versions')
      return rows.map(row => versionOf(row))
    },

    async count(range: Range, at: Revision): Promise<number> {
      const [row] = await query<[number]>(sql.count, [...bounds(range), at], 'count')
      return row![0]
    },

    async history(range: Range, after: Revision, through: Revision): Promise<readonly HistoryRow[]> {
      const rows = await query<HistoryColumns>(sql.history, [...bounds(range), after, through], 'history')
      return rows.map(row => historyOf(row))
    },

    async values(revisions: readonly Revision[]): Promise<ReadonlyMap<Revision, Buffer>> {
      return new Map(await query<[number, Buffer]>(sql.values, [revisions], 'values'))
    },

    async batchOf(revision: Revision): Promise<number | undefined> {
      const [row] = await query<[number]>(sql.batchOf, [revision], 'batch-of')
      return row?.[0]
    },

    async compact(before: Revision, rows: number): Promise<Revision | undefined> {
      const [row] = await query<[number | null]>(compactStep, [before, rows], 'compact')
      return row === undefined ? undefined : (row[0] ?? undefined)
    },

    // Whoever takes the snapshot may be slow for a while: the server does not end the transaction for that.
    freeze: () =>
      session.run(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '30min'",
      ),

    listen: async onHead => {
      session.onNotification(payload => {
        const [revision, from] = payload.split(' ')
        if (from !== origin) onHead(Number(revision))
      })
      await session.run(`LISTEN ${channel}`)
    },
  }
}

/**
 * One step in one statement: everything in it sees the table as it was at its beginning, which is all it needs. Whoever does
 * not get the row leaves the work to the one who has it.
 */
const compactStep = `
  WITH mine AS (
    SELECT value AS reached, least(value + $2, $1) AS target FROM skiff_meta
    WHERE name = 'compacted' FOR UPDATE SKIP LOCKED
  ), moved AS (
    UPDATE skiff_meta SET value = target FROM mine WHERE name = 'compacted' AND target > reached
  ), superseded AS (
    DELETE FROM skiff_log l USING mine, skiff_log n
    WHERE n.revision > reached AND n.revision <= target AND n.prev_revision > 0 AND l.revision = n.prev_revision
  ), tombstones AS (
    DELETE FROM skiff_log l USING mine WHERE l.revision > reached AND l.revision <= target AND l.deleted
  ) SELECT greatest(reached, target) FROM mine`

/** Keys and values one after the other in one block, and where each begins (from 1) and how long it is. */
function packed(writes: readonly Write[]): [number[], boolean[], number[], number[], number[], number[], Buffer] {
  const parts: Buffer[] = []
  let end = 1
  const add = (part: Buffer): number => {
    parts.push(part)
    const start = end
    end += part.byteLength
    return start
  }
  const keys = writes.map(({ key }) => Buffer.from(key))
  const values = writes.map(write => (write.op === 'delete' ? nothing : write.value))
  return [
    writes.map(write => (write.op === 'create' ? 0 : write.revision)),
    writes.map(({ op }) => op === 'delete'),
    keys.map(add),
    keys.map(key => key.byteLength),
    values.map(add),
    values.map(value => value.byteLength),
    Buffer.concat(parts),
  ]
}

const nothing = Buffer.alloc(0)

const bounds = ({ start, end }: Range): [Buffer, Buffer] => [Buffer.from(start), Buffer.from(end)]

type AppendRow = [n: number, revision: number | null, created: number | null, ...EntryColumns]

function outcomeOf(key: Key, [, revision, createRevision, ...other]: AppendRow): Outcome {
  const there = entryOf(key, other)
  return revision === null || createRevision === null
    ? { written: false, current: there }
    : { written: true, entry: { key, revision, createRevision }, previous: there }
}
