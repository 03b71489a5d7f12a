/** The default datastore: one SQLite file, owned by a writer thread. */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { keyAfter, rangeOf } from '../common/key-range.ts'
import { maintain } from '../common/maintenance.ts'
import { orDestroyed, send } from '../common/snapshot-stream.ts'
import { watchLog } from '../common/watch.ts'
import { WatchHub } from '../common/watch-hub.ts'
import {
  type ChangeBatch,
  CompactedError,
  type Datastore,
  type DatastoreHealth,
  FutureRevisionError,
  type Key,
  type Page,
  type ReadOptions,
  type Revision,
  type SnapshotInfo,
  UnavailableError,
  type Write,
} from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { CommitQueue, type Version } from './commit-queue.ts'
import type { Opened } from './log-file.ts'
import { readAt, readHistory } from './read.ts'
import { withTrailer } from './trailer.ts'
import { WriterClient } from './writer-client.ts'

const indexStep = 5000
const probeTimeoutMs = 5000
const flushMs = 100
const readBytes = 256 * 1024
const copySuffix = '.snapshot-'

export interface SqliteOptions {
  /** The database file; created, readable by its owner only, when absent. Its folder must exist. */
  readonly file: string
  readonly clock: Clock
  readonly log?: Logger
}

/** Opens the file; after an unclean end it is checked first. Throws one line when it cannot be used. */
export async function openSqlite(options: SqliteOptions): Promise<Datastore> {
  await createPrivate(options.file)
  const writer = new WriterClient(options.file)
  try {
    const opened = await writer.call('opened', [])
    await removeCopies(options.file)
    return new SqliteDatastore(options, writer, opened, await loadIndex(writer, opened.revision))
  } catch (error) {
    await writer.terminate()
    throw error
  }
}

class SqliteDatastore implements Datastore {
  readonly exclusive = true
  readonly snapshotForm = 'sqlite'
  readonly #file: string
  readonly #clock: Clock
  readonly #writer: WriterClient
  readonly #hub = new WatchHub()
  readonly #queue: CommitQueue
  readonly #background = new AbortController()
  #oldest: Revision
  #compaction: Promise<void> = Promise.resolve()

  constructor({ file, clock, log }: SqliteOptions, writer: WriterClient, opened: Opened, index: Map<Key, Version>) {
    this.#file = file
    this.#clock = clock
    this.#writer = writer
    this.#queue = new CommitQueue(writer, index, opened.revision, this.#hub)
    this.#oldest = opened.compacted
    void maintain(this, clock, this.#background.signal, log)
  }

  commit(write: Write): Promise<Revision> {
    return this.#queue.commit(write)
  }

  async revision(): Promise<Revision> {
    return this.#queue.revision
  }

  async read(prefix: string, options: ReadOptions = {}): Promise<Page> {
    for (;;) {
      const at = options.at ?? this.#queue.revision
      if (at > this.#queue.revision) throw new FutureRevisionError(at, this.#queue.revision)
      const page = await readAt(this.#writer, prefix, at, options, this.#readable)
      if (page) return page
      if (options.at !== undefined) throw new CompactedError(at, this.#oldest)
    }
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    const watched = { prefix, after, current: () => this.#queue.revision }
    return watchLog(this.#hub, watched, (...range) => this.#history(...range), signal)
  }

  compact(before: Revision): Promise<void> {
    this.#compaction = this.#compaction.then(
      () => this.#compact(before),
      () => this.#compact(before),
    )
    return this.#compaction
  }

  /** By way of a copy beside the file, since SQLite copies to files only; that one is gone when this settles. */
  snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo> {
    const until = AbortSignal.any([signal, this.#background.signal])
    return orDestroyed(to, signal, async () => {
      const copy = `${this.#file}${copySuffix}${randomUUID()}`
      try {
        const revision = await this.#backup(copy, until)
        return {
          revision,
          bytes: await send(withTrailer(createReadStream(copy, { highWaterMark: readBytes })), to, until),
        }
      } finally {
        await rm(copy, { force: true })
      }
    })
  }

  async health(): Promise<DatastoreHealth> {
    const timeout = new AbortController()
    const late = this.#clock.sleep(probeTimeoutMs, timeout.signal).then(
      () => Promise.reject(new UnavailableError('the writer thread does not answer')),
      () => undefined,
    )
    try {
      await Promise.race([this.#writer.call('probe', [this.#queue.failure !== undefined]), late])
      return { ok: true }
    } catch (error) {
      return { ok: false, reason: (error as Error).message }
    } finally {
      timeout.abort()
    }
  }

  async close(): Promise<void> {
    this.#background.abort()
    this.#hub.close()
    await this.#queue.close()
    await this.#compaction.catch(() => undefined)
    try {
      await this.#writer.call('close', [])
    } finally {
      await this.#writer.terminate()
    }
  }

  /** The file system gets what was copied bit by bit: all at once, the last step would hold up commits for as long. */
  async #backup(copy: string, signal: AbortSignal): Promise<Revision> {
    await createPrivate(copy)
    const copied = new AbortController()
    const flushing = this.#flush(copy, copied.signal)
    const stop = () => void this.#writer.call('stopBackup', [copy]).catch(() => undefined)
    try {
      signal.throwIfAborted()
      signal.addEventListener('abort', stop, { once: true })
      return await this.#writer.call('backup', [copy])
    } finally {
      signal.removeEventListener('abort', stop)
      copied.abort()
      await flushing.catch(() => undefined)
    }
  }

  async #flush(file: string, signal: AbortSignal): Promise<void> {
    const handle = await open(file, 'r')
    try {
      while (!signal.aborted) {
        await handle.datasync()
        await this.#clock.sleep(flushMs, signal).catch(() => undefined)
      }
    } finally {
      await handle.close()
    }
  }

  async *#history(prefix: string, after: Revision, through: Revision): AsyncGenerator<ChangeBatch> {
    if (!this.#readable(after)) throw new CompactedError(after, this.#oldest)
    yield await readHistory(this.#writer, prefix, after, through)
  }

  readonly #readable = (revision: Revision): boolean => revision >= this.#oldest

  async #compact(before: Revision): Promise<void> {
    const target = Math.min(before, this.#queue.revision)
    if (target <= this.#oldest) return
    this.#oldest = target
    let reached = 0
    while (reached < target && !this.#background.signal.aborted) reached = await this.#writer.call('compact', [target])
    while (!this.#background.signal.aborted && (await this.#writer.call('vacuum', [])) > 0);
    await this.#writer.call('checkpoint', [])
  }
}

async function loadIndex(writer: WriterClient, at: Revision): Promise<Map<Key, Version>> {
  const index = new Map<Key, Version>()
  let { start, end } = rangeOf('')
  for (;;) {
    const page = await writer.call('versions', [{ start, end, at }, indexStep])
    page.keys.forEach((key, i) => {
      index.set(key, { revision: page.revisions[i]!, createRevision: page.createRevisions[i]! })
    })
    if (!page.more) return index
    start = keyAfter(page.keys.at(-1)!)
  }
}

/** Of snapshots in whose middle a process was killed. The file is ours by now, so nobody else is at it. */
async function removeCopies(file: string): Promise<void> {
  const beginning = `${basename(file)}${copySuffix}`
  for (const name of await readdir(dirname(file)))
    if (name.startsWith(beginning)) await rm(join(dirname(file), name), { force: true })
}

async function createPrivate(file: string): Promise<void> {
  await (await open(file, 'a', 0o600)).close()
}
