/** SQLite files for a restore, made while nobody uses them. */
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import type { Revision } from '../datastore.ts'
import { LogFile } from './log-file.ts'

/** Makes an empty log whose first write gets the revision after `at`. */
export async function emptyLog(file: string, at: Revision): Promise<void> {
  await (await open(file, 'a', 0o600)).close()
  const log = new LogFile(file)
  log.moveOn(at)
  log.close()
}

/**
 * Makes a log of what lives in another one, which nobody has open, in the order of the last changes; revisions are anew, from
 * after `at` on. Returns how many keys. Values do not pass through this program, so it is as fast as the disk.
 */
export async function copyLog(from: string, to: string, at: Revision): Promise<number> {
  await emptyLog(to, at)
  const db = new Database(to)
  try {
    // It counts for nothing until all of it is on the disk (settleLog).
    db.pragma('journal_mode = OFF')
    db.pragma('synchronous = OFF')
    db.pragma('cache_size = -65536')
    db.prepare('ATTACH ? AS source').run(from)
    return db.prepare(copy).run({ at }).changes
  } finally {
    db.close()
  }
}

const copy = `
  INSERT INTO log (revision, key, create_revision, prev_revision, deleted, value)
  SELECT @at + live.n, l.key, @at + live.n, 0, 0, l.value
  FROM (
    SELECT revision, row_number() OVER (ORDER BY revision) AS n
    FROM (SELECT max(revision) AS revision, deleted FROM source.log GROUP BY key HAVING deleted = 0)
  ) live CROSS JOIN source.log l ON l.revision = live.revision
`

/** Makes a closed log durable, and what SQLite left beside it go. */
export async function settleLog(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.sync()
  await handle.close()
  for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true })
  const folder = await open(dirname(file))
  await folder.sync()
  await folder.close()
}
