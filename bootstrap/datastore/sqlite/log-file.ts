/** The SQLite file: one append-only log table. Runs on the writer thread; every method is one short, synchronous step. */
import Database from 'better-sqlite3'
import type { Key, Revision } from '../datastore.ts'
import { type Block, pack, unpack } from './block.ts'

const format = 1
const lockTimeoutMs = 500
const compactStep = 500
const vacuumStepPages = 256
const backupStepPages = 64
const pageBytes = 1024 * 1024

/** A row to append; its value is in the block that comes along. */
export interface LogRow {
  readonly key: Key
  readonly createRevision: Revision
  /** The live row this one supersedes; 0 when there is none. */
  readonly previous: Revision
  readonly deleted: boolean
}

export interface Opened {
  readonly revision: Revision
  readonly compacted: Revision
}

/** Live keys with their revisions, in key order; their values, where asked for, are in a block in the same order. */
export interface Versions {
  readonly keys: readonly Key[]
  readonly revisions: readonly Revision[]
  readonly createRevisions: readonly Revision[]
  /** False when the range has been read to its end. */
  readonly more: boolean
}

export interface Range {
  /** Inclusive. */
  readonly start: Key
  /** Exclusive. */
  readonly end: Key
  readonly at: Revision
}

/** Rows of the log in revision order; `block` holds value and previous value of each. */
export interface History extends Block {
  readonly rows: readonly (LogRow & { readonly revision: Revision; readonly previousCreated: Revision })[]
}

const schema = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    prev_revision INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    value BLOB NOT NULL
  );
  CREATE INDEX log_key ON log (key, revision, deleted, create_revision);
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('format', ${format}), ('compacted', 0), ('clean', 1);
`

/** What a LogFile keeps prepared. */
function statementsOf(db: Database.Database) {
  return {
    meta: db.prepare<[string], number>('SELECT value FROM meta WHERE name = ?').pluck(),
    setMeta: db.prepare<[string, number]>('INSERT OR REPLACE INTO meta VALUES (?, ?)'),
    newest: db.prepare<[], number | null>('SELECT max(revision) FROM log').pluck(),
    append: db.prepare<[number, Key, number, number, number, Uint8Array]>('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)'),
    value: db.prepare<[number], Buffer>('SELECT value FROM log WHERE revision = ?').pluck(),
    versions: db
      .prepare<[Key, Key, number, number], [Key, number, number, number]>(
        `SELECT key, max(revision), create_revision, deleted FROM log
         WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key HAVING deleted = 0 ORDER BY key LIMIT ?`,
      )
      .raw(),
    keys: db
      .prepare<[Key, Key, number, number], Key>(
        `SELECT key FROM (SELECT key, max(revision), deleted FROM log
         WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key HAVING deleted = 0 ORDER BY key LIMIT ?)`,
      )
      .pluck(),
    history: db
      .prepare<[number, number, Key, Key], [number, Key, number, number, number, Buffer, number | null, Buffer | null]>(
        `SELECT l.revision, l.key, l.create_revision, l.prev_revision, l.deleted, l.value, p.create_revision, p.value
         FROM log l LEFT JOIN log p ON p.revision = l.prev_revision
         WHERE l.revision > ? AND l.revision <= ? AND +l.key >= ? AND +l.key < ? ORDER BY l.revision`,
      )
      .raw(),
    forgetSuperseded: db.prepare<[number, number]>(
      `DELETE FROM log WHERE revision IN
       (SELECT prev_revision FROM log WHERE revision > ? AND revision <= ? AND prev_revision > 0)`,
    ),
    forgetTombstones: db.prepare<[number, number]>(
      'DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1',
    ),
  }
}

export class LogFile {
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof statementsOf>
  readonly #stopped = new Set<string>()

  /** Opens or creates the file. Throws when it is locked by another process, damaged, or of another format. */
  constructor(file: string) {
    this.#db = new Database(file, { timeout: lockTimeoutMs })
    try {
      prepareFile(this.#db)
      this.#sql = statementsOf(this.#db)
      this.#checkAfterCrash()
      this.#sql.setMeta.run('clean', 0)
    } catch (error) {
      this.#db.close()
      throw new Error(`${file}: ${(error as Error).message}`, { cause: error })
    }
  }

  opened(): Opened {
    const compacted = this.#sql.meta.get('compacted') ?? 0
    return { compacted, revision: Math.max(this.#sql.newest.get() ?? 0, compacted) }
  }

  /** Appends the rows as one durable transaction, from revision `first` on. Returns the values superseded. */
  commit(first: Revision, rows: readonly LogRow[], values: Block): Block {
    const unpacked = unpack(values)
    this.#db.transaction(() => {
      rows.forEach((row, i) => {
        const deleted = row.deleted ? 1 : 0
        this.#sql.append.run(first + i, row.key, row.createRevision, row.previous, deleted, unpacked[i]!)
      })
    })()
    return pack(rows.map(row => this.#valueOf(row.previous)))
  }

  /** Up to `limit` live keys of the range, without values. */
  versions(range: Range, limit: number): Versions {
    const found = this.#sql.versions.all(range.start, range.end, range.at, limit)
    return versionsOf(found, found.length === limit)
  }

  /** Counts up to `limit` live keys of the range and names the last of them. */
  count(range: Range, limit: number): { readonly count: number; readonly last: Key | undefined } {
    const keys = this.#sql.keys.all(range.start, range.end, range.at, limit)
    return { count: keys.length, last: keys.at(-1) }
  }

  /** The same with values: up to `limit` keys or about a megabyte, whichever is reached first. */
  entries(range: Range, limit: number): Versions & Block {
    const found = this.#sql.versions.all(range.start, range.end, range.at, limit)
    const values: Buffer[] = []
    for (let bytes = 0; values.length < found.length && bytes < pageBytes; bytes += values.at(-1)!.byteLength) {
      values.push(this.#valueOf(found[values.length]![1]))
    }
    const more = found.length === limit || values.length < found.length
    return { ...versionsOf(found.slice(0, values.length), more), ...pack(values) }
  }

  /** The value written at `revision`, if that row is still there. */
  value(revision: Revision): Uint8Array | undefined {
    return this.#sql.value.get(revision)
  }

  /** The rows after `after` up to `through` with a key from `start` (inclusive) to `end` (exclusive). */
  history(after: Revision, through: Revision, start: Key, end: Key): History {
    const found = this.#sql.history.all(after, through, start, end)
    return {
      rows: found.map(([revision, key, createRevision, previous, deleted, , previousCreated]) => ({
        revision,
        key,
        createRevision,
        previous: previousCreated === null ? 0 : previous,
        deleted: deleted === 1,
        previousCreated: previousCreated ?? 0,
      })),
      ...pack(found.flatMap(row => [row[5], row[7] ?? empty])),
    }
  }

  /** One step of forgetting what revision `before` no longer shows. Returns how far it has come. */
  compact(before: Revision): Revision {
    const from = this.#sql.meta.get('compacted') ?? 0
    const upTo = Math.min(from + compactStep, before)
    if (upTo <= from) return from
    this.#db.transaction(() => {
      this.#sql.forgetSuperseded.run(from, upTo)
      this.#sql.forgetTombstones.run(from, upTo)
      this.#sql.setMeta.run('compacted', upTo)
    })()
    return upTo
  }

  /** Revisions go on from `revision`, above all there are: whoever knows an earlier one has to read anew. */
  moveOn(revision: Revision): void {
    this.#sql.setMeta.run('compacted', Math.max(revision, this.opened().revision))
  }

  /** One step of giving free pages back to the file system. Returns how many are still free. */
  vacuum(): number {
    this.#db.pragma(`incremental_vacuum(${vacuumStepPages})`)
    return this.#db.pragma('freelist_count', { simple: true }) as number
  }

  /** Moves the write-ahead log into the file and empties it. */
  checkpoint(): void {
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
  }

  /** Copies the file as of one revision, in steps between which other calls are served. Returns that revision. */
  async backup(to: string): Promise<Revision> {
    const progress = () => {
      if (this.#stopped.delete(to)) throw new Error('stopped')
      return backupStepPages
    }
    await this.#db.backup(to, { progress })
    this.#stopped.delete(to)
    return this.opened().revision
  }

  /** The copy that is being made to this path, if any, is given up. */
  stopBackup(to: string): void {
    this.#stopped.add(to)
  }

  /** Proves that the file can be read and, with `write`, written. */
  probe(write: boolean): void {
    if (write) this.#sql.setMeta.run('clean', 0)
    else this.#sql.meta.get('format')
  }

  /** Marks the file as cleanly closed and lets go of it. */
  close(): void {
    this.#sql.setMeta.run('clean', 1)
    this.checkpoint()
    this.#db.close()
  }

  #valueOf(revision: Revision): Buffer {
    return revision === 0 ? empty : (this.#sql.value.get(revision) ?? empty)
  }

  #checkAfterCrash(): void {
    if (this.#sql.meta.get('clean') === 1) return
    const verdict = this.#db.pragma('quick_check(1)', { simple: true })
    if (verdict !== 'ok') throw new Error(`damaged, restore a snapshot (${verdict})`)
  }
}

const empty = Buffer.alloc(0)

function versionsOf(rows: readonly (readonly [Key, number, number, number])[], more: boolean): Versions {
  return {
    keys: rows.map(row => row[0]),
    revisions: rows.map(row => row[1]),
    createRevisions: rows.map(row => row[2]),
    more,
  }
}

function prepareFile(db: Database.Database): void {
  db.pragma('auto_vacuum = INCREMENTAL')
  db.pragma('locking_mode = EXCLUSIVE')
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.pragma('journal_size_limit = 16777216')
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all()
  if (tables.length === 0) db.transaction(() => db.exec(schema))()
  else if (!tables.includes('log') || !tables.includes('meta')) throw new Error('a database, but not one of Skiff')
  const found = db.prepare<[], number>("SELECT value FROM meta WHERE name = 'format'").pluck().get()
  if (found !== format) throw new Error(`has format ${found}, this version reads format ${format}`)
}
