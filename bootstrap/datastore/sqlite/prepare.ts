/** SQLite files for a restore, made while nobody uses them. */
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
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
 * Makes a copy of another log go on at `at`, which is above all its revisions: what it has is kept as it is, what came
 * before is forgotten. Throws when the file is damaged.
 */
export async function continueLog(file: string, at: Revision): Promise<void> {
  const log = new LogFile(file)
  const { revision, compacted } = log.opened()
  for (let reached = compacted; reached < revision; ) reached = log.compact(revision)
  log.moveOn(at)
  log.close()
}

/** Makes a closed log durable under another name. */
export async function settleLog(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.sync()
  await handle.close()
  for (const suffix of ['-wal', '-shm']) await rm(`${file}${suffix}`, { force: true })
  const folder = await open(dirname(file))
  await folder.sync()
  await folder.close()
}
