/** A datastore over a SQL database that any number of servers may share. */
import type { Writable } from 'node:stream'
import { writeDump } from '../common/dump.ts'
import { maintain } from '../common/maintenance.ts'
import { orDestroyed, send } from '../common/snapshot-stream.ts'
import { watchLog } from '../common/watch.ts'
import { WatchHub } from '../common/watch-hub.ts'
import type {
  ChangeBatch,
  Datastore,
  DatastoreHealth,
  Page,
  ReadOptions,
  Revision,
  SnapshotInfo,
  Write,
} from '../datastore.ts'
import { CommitQueue } from './commit-queue.ts'
import { Link, type LinkOptions } from './link.ts'
import { readHistory, readPage } from './read.ts'
import { entriesAt } from './snapshot.ts'
import { type Position, Tail } from './tail.ts'

const compactRows = 500

/** Connects and reads where the log stands; `connect` has made sure that the log is there. UnavailableError. */
export async function openSqlDatastore(options: LinkOptions): Promise<Datastore> {
  const link = new Link(options)
  try {
    const position = await link.retried('tail', async connection => {
      const { revision } = await connection.head()
      return { revision, batch: await connection.batchOf(revision) }
    })
    return new SqlDatastore(options, link, position)
  } catch (error) {
    await link.close()
    throw error
  }
}

class SqlDatastore implements Datastore {
  readonly snapshotForm = 'dump'
  readonly #link: Link
  readonly #hub = new WatchHub()
  readonly #tail: Tail
  readonly #queue: CommitQueue
  readonly #following: Promise<void>
  readonly #upkeep: Promise<void>

  constructor(options: LinkOptions, link: Link, position: Position) {
    const { clock, limits, log } = options
    this.#link = link
    this.#tail = new Tail({ link, hub: this.#hub, limits, clock, log }, position)
    this.#queue = new CommitQueue({ link, publisher: this.#tail, limits })
    this.#following = this.#tail.run()
    this.#upkeep = maintain(this, clock, link.closed, log)
  }

  commit(write: Write): Promise<Revision> {
    return this.#queue.commit(write)
  }

  /** Of the whole database: what any server had written when this was asked. */
  revision(): Promise<Revision> {
    return this.#tail.head()
  }

  read(prefix: string, options: ReadOptions = {}): Promise<Page> {
    return this.#link.retried('reader', connection => readPage(connection, prefix, options))
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    const watched = { prefix, after, current: () => this.#tail.revision }
    return watchLog(this.#hub, watched, (...range) => this.#history(...range), signal)
  }

  /** In steps, each of which one server of all makes; one that finds another at it leaves it to that. */
  async compact(before: Revision): Promise<void> {
    const target = Math.min(before, await this.revision())
    for (let reached = 0; reached < target && !this.#link.closed.aborted; ) {
      const step = await this.#link.retried('reader', connection => connection.compact(target, compactRows))
      if (step === undefined) return
      reached = step
    }
  }

  /** On a connection of its own, in a transaction that sees what there was at its beginning. */
  snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo> {
    const until = AbortSignal.any([signal, this.#link.closed])
    return orDestroyed(to, signal, () =>
      this.#link.alone(async connection => {
        await connection.freeze()
        const { revision } = await connection.head()
        const bytes = await send(writeDump({ revision }, entriesAt(connection, revision)), to, until)
        return { revision, bytes }
      }),
    )
  }

  async health(): Promise<DatastoreHealth> {
    try {
      await this.revision()
      return { ok: true }
    } catch (error) {
      return { ok: false, reason: (error as Error).message }
    }
  }

  async close(): Promise<void> {
    this.#hub.close()
    await this.#queue.close()
    await this.#link.close()
    await Promise.all([this.#following, this.#upkeep])
  }

  async *#history(prefix: string, after: Revision, through: Revision): AsyncGenerator<ChangeBatch> {
    yield await this.#link.retried('reader', connection => readHistory(connection, prefix, after, through))
  }
}
