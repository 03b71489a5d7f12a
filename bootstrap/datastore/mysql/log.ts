/** The log's operations as statements of MySQL and MariaDB. */
import type { Entry, Key, Revision } from '../datastore.ts'
import {
  type Batch,
  type Head,
  type HistoryRow,
  type LogConnection,
  type Outcome,
  type Range,
  StatementError,
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
import { bytes, type Session } from './session.ts'

/** The optimizer goes by statistics that a young table has not. */
const byName = 'FORCE INDEX (skiff_log_name)'

const small = (alias: string) => `IF(LENGTH(${alias}.value) <= ${smallValueBytes}, ${alias}.value, NULL)`

export function logConnection(session: Session): LogConnection {
  const { query } = session
  return {
    gone: session.gone,
    close: session.close,
    listen: undefined,

    async head(): Promise<Head> {
      const [row] = await query<[[number, number]]>(headQuery)
      return { revision: row[0], compacted: row[1] }
    },

    append: batch => append(session, batch),

    async versions(range: Range, at: Revision, limit: number): Promise<readonly VersionRow[]> {
      const rows = await query<VersionColumns[]>(`
        SELECT l.name, l.revision, l.create_revision, l.deleted, LENGTH(l.value), ${small('l')}
        FROM (
          SELECT MAX(revision) AS revision FROM skiff_log ${byName}
          WHERE ${within(range)} AND revision <= ${at} GROUP BY name ORDER BY name LIMIT ${limit}
        ) k JOIN skiff_log l ON l.revision = k.revision ORDER BY l.name`)
      return rows.map(row => versionOf(row, copied))
    },

    async count(range: Range, at: Revision): Promise<number> {
      // By the index alone: rows have their values with them.
      const [row] = await query<[[number]]>(`
        SELECT COUNT(*) FROM skiff_log l ${byName}
        WHERE ${within(range, 'l.')} AND l.revision <= ${at} AND l.deleted = 0 AND NOT EXISTS (
          SELECT 1 FROM skiff_log n ${byName} WHERE n.name = l.name AND n.revision > l.revision AND n.revision <= ${at}
        )`)
      return row[0]
    },

    async history(range: Range, after: Revision, through: Revision): Promise<readonly HistoryRow[]> {
      const rows = await query<HistoryColumns[]>(`
        SELECT l.name, l.revision, l.create_revision, l.deleted, LENGTH(l.value), ${small('l')}, l.batch,
               p.revision, p.create_revision, LENGTH(p.value), ${small('p')}
        FROM skiff_log l FORCE INDEX (PRIMARY) LEFT JOIN skiff_log p ON p.revision = l.prev_revision
        WHERE l.revision > ${after} AND l.revision <= ${through} AND ${within(range, 'l.')} ORDER BY l.revision`)
      return rows.map(row => historyOf(row, copied))
    },

    async values(revisions: readonly Revision[]): Promise<ReadonlyMap<Revision, Buffer>> {
      const rows = await query<[number, Buffer][]>(
        `SELECT revision, value FROM skiff_log WHERE revision IN (${revisions.join(',')})`,
      )
      return new Map(rows.map(([revision, value]) => [revision, Buffer.from(value)]))
    },

    async batchOf(revision: Revision): Promise<number | undefined> {
      const [row] = await query<[number][]>(`SELECT batch FROM skiff_log WHERE revision = ${revision}`)
      return row?.[0]
    },

    async freeze(): Promise<void> {
      await query(`
        SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
        START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY`)
    },

    async compact(before: Revision, rows: number): Promise<Revision | undefined> {
      const results = await session.transaction(compactStep(before, rows))
      const [row] = results.at(-1) as [[number | null]]
      return row[0] ?? undefined
    },
  }
}

const meta = (name: string) => `(SELECT value FROM skiff_meta WHERE name = ${bytes(name)})`

const headQuery = `SELECT ${meta('revision')}, ${meta('compacted')}`

const within = ({ start, end }: Range, alias = '') => `${alias}name >= ${bytes(start)} AND ${alias}name < ${bytes(end)}`

/** Whoever does not get the row leaves the work to the one who has it: all conditions are NULL then. */
const compactStep = (before: Revision, rows: number) => `
  SET @reached = NULL;
  START TRANSACTION;
  SELECT value INTO @reached FROM skiff_meta WHERE name = ${bytes('compacted')} FOR UPDATE SKIP LOCKED;
  SET @target = LEAST(@reached + ${rows}, ${before});
  DELETE l FROM skiff_log l JOIN (
    SELECT prev_revision FROM skiff_log WHERE revision > @reached AND revision <= @target AND prev_revision > 0
  ) n ON l.revision = n.prev_revision;
  DELETE FROM skiff_log WHERE revision > @reached AND revision <= @target AND deleted = 1;
  UPDATE skiff_meta SET value = @target WHERE name = ${bytes('compacted')} AND value < @target;
  COMMIT;
  SELECT GREATEST(@reached, @target)`

/**
 * The whole transaction is one packet: no lock is ever held while a message travels. The row lock on 'revision' puts the
 * batches of all servers in one order and is held until the batch is durable, so that a revision shows up only after all
 * before it. READ COMMITTED, so each statement sees what was committed before it began: the checks see everything up to
 * the lock.
 */
async function append(session: Session, batch: Batch): Promise<readonly Outcome[]> {
  const text = appendText(batch)
  // The client would cut it in two; the server takes both only up to its limit.
  if (text.length > session.maxPacket)
    throw new StatementError(
      `a write of ${text.length} bytes is more than max_allowed_packet, ${session.maxPacket}`,
      false,
    )
  const results = await session.transaction(text)
  const [[last], rows] = results.slice(-2) as [[[number]], OwnColumns[]]
  const own = new Map(rows.map(row => [String(row[0]), row]))
  const outcomes: Outcome[] = []
  for (const { key } of batch.writes) {
    const row = own.get(key)
    outcomes.push(row ? written(key, row) : { written: false, current: await current(session, key, last[0]) })
  }
  return outcomes
}

function appendText({ id, since, writes }: Batch): string {
  const wanted = writes.map((write, i) => {
    const expected = write.op === 'create' ? 0 : write.revision
    const columns = [String(i + 1), bytes(write.key), String(expected), write.op === 'delete' ? '1' : '0']
    return i === 0
      ? `SELECT ${columns[0]} AS n, ${columns[1]} AS name, ${columns[2]} AS expected, ${columns[3]} AS deleted`
      : `SELECT ${columns.join(',')}`
  })
  const values = writes.map(write => (write.op === 'delete' ? "''" : bytes(write.value)))
  return `
    START TRANSACTION;
    SELECT value INTO @head FROM skiff_meta WHERE name = ${bytes('revision')} FOR UPDATE;
    SET @done = (SELECT MAX(revision) FROM skiff_log WHERE revision > ${since} AND revision <= @head AND batch = ${id});
    INSERT INTO skiff_log (revision, name, create_revision, prev_revision, deleted, batch, value)
    SELECT @head + ROW_NUMBER() OVER (ORDER BY n), name, COALESCE(created, @head + ROW_NUMBER() OVER (ORDER BY n)),
           expected, deleted, ${id}, ELT(n, ${values.join(',')})
    FROM (
      SELECT w.n, w.name, w.expected, w.deleted, c.create_revision AS created
      FROM (${wanted.join(' UNION ALL ')}) w
      LEFT JOIN skiff_log c
        ON c.revision = (SELECT MAX(x.revision) FROM skiff_log x WHERE x.name = w.name) AND c.deleted = 0
      WHERE w.expected = COALESCE(c.revision, 0) AND @done IS NULL
    ) passed;
    SET @written = ROW_COUNT();
    UPDATE skiff_meta SET value = @head + @written WHERE name = ${bytes('revision')} AND @written > 0;
    COMMIT;
    SET @last = COALESCE(@done, @head + @written);
    SELECT @last;
    SELECT l.name, l.revision, l.create_revision, p.revision, p.create_revision, p.value
    FROM skiff_log l LEFT JOIN skiff_log p ON p.revision = l.prev_revision
    WHERE l.revision > IF(@done IS NULL, @head, ${since}) AND l.revision <= @last AND l.batch = ${id}`
}

/** What a write found in its way: as of the end of its batch. */
async function current(session: Session, name: Key, at: Revision): Promise<Entry | undefined> {
  const rows = await session.query<[number, number, number, Buffer][]>(
    `SELECT revision, create_revision, deleted, value FROM skiff_log
     WHERE revision = (SELECT MAX(revision) FROM skiff_log WHERE name = ${bytes(name)} AND revision <= ${at})`,
  )
  const [row] = rows
  if (!row || row[2] === 1) return undefined
  return { key: name, value: Buffer.from(row[3]), revision: row[0], createRevision: row[1] }
}

type OwnColumns = [name: Buffer, revision: number, created: number, ...EntryColumns]

function written(key: Key, [, revision, createRevision, ...was]: OwnColumns): Outcome {
  return { written: true, entry: { key, revision, createRevision }, previous: entryOf(key, was, copied) }
}

const copied = (value: Buffer) => Buffer.from(value)
