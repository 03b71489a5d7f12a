/** Taking a snapshot: from the datastore through compression and encryption to a file that is there as a whole or not at all. */
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Datastore, UnavailableError } from '../datastore/datastore.ts'
import { sealed } from './encryption.ts'
import { asWriteError } from './errors.ts'
import { sinkOf } from './sink.ts'
import { SnapshotError, type Taken, type TakeOptions } from './snapshot.ts'
import { zipped } from './zip/write.ts'

const bufferBytes = 256 * 1024
const partial = /^\.snapshot-.*\.partial$/
const staleMs = 60 * 60 * 1000

/**
 * Writes a snapshot of what the datastore holds now, readable by its owner only, and durable once this resolves. Memory stays
 * constant, writes go on meanwhile. SnapshotError when it cannot be written or read (disk full, datastore away), the signal's
 * reason when aborted; then nothing is left of it.
 */
export async function takeSnapshot(datastore: Datastore, options: TakeOptions): Promise<Taken> {
  const { file, signal } = options
  signal.throwIfAborted()
  const folder = dirname(file)
  const unfinished = join(folder, `.snapshot-${randomUUID()}.partial`)
  try {
    const handle = await open(unfinished, 'wx', 0o600)
    try {
      await removeStale(folder, (await handle.stat()).mtimeMs)
      const taken = await write(datastore, handle, options)
      await handle.close()
      signal.throwIfAborted()
      await rename(unfinished, file)
      await syncFolder(folder)
      return taken
    } finally {
      await handle.close().catch(() => undefined)
      await rm(unfinished, { force: true })
    }
  } catch (error) {
    signal.throwIfAborted()
    throw asWriteError(error, file)
  }
}

async function write(datastore: Datastore, handle: FileHandle, options: TakeOptions): Promise<Taken> {
  const top = new PassThrough({ highWaterMark: bufferBytes })
  const failed = new AbortController()
  const written = through(top, handle, datastore, options)
  written.catch(error => failed.abort(error))
  const taken = datastore.snapshot(top, AbortSignal.any([options.signal, failed.signal]))
  const [read, wrote] = await Promise.allSettled([taken, written])
  if (read.status === 'rejected' && read.reason instanceof UnavailableError) throw readError(read.reason)
  if (wrote.status === 'rejected' && !isBroken(wrote.reason)) throw wrote.reason
  if (read.status === 'rejected') throw readError(read.reason)
  if (wrote.status === 'rejected') throw wrote.reason
  return { bytes: wrote.value, revision: read.value.revision }
}

/** The stream ended before its time, which is only what follows from something else. */
const isBroken = (error: unknown): boolean => (error as { code?: string }).code === 'ERR_STREAM_PREMATURE_CLOSE'

function readError(error: unknown): SnapshotError {
  return new SnapshotError(`cannot take a snapshot: ${(error as Error).message}`, { cause: error })
}

/** Resolves with the size of the file. */
async function through(
  source: Readable,
  handle: FileHandle,
  { snapshotForm }: Datastore,
  { file, compress, passphrase, signal }: TakeOptions,
): Promise<number> {
  const { mtime } = await handle.stat()
  const name = basename(file).replace(/(\.zip)?(\.enc)?$/, '')
  let stages: AsyncIterable<Buffer> = source
  if (compress) stages = zipped({ name, modified: mtime })(stages)
  if (passphrase !== undefined) stages = sealed({ form: snapshotForm, compressed: compress }, passphrase)(stages)
  return await pipeline(stages, sinkOf(handle), { signal })
}

/** What a process left that was killed in the middle: nobody has written to it for long. */
async function removeStale(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!partial.test(name)) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found && now - found.mtimeMs > staleMs) await rm(path, { force: true })
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync()
  await folder.close()
}
