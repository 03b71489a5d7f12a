/** The datastore on etcd, embedded or not: keys and revisions are etcd's own. */

import type { Writable } from 'node:stream'
import { SharedQuestion } from '../common/shared-question.ts'
import { orDestroyed, send } from '../common/snapshot-stream.ts'
import { watchLog } from '../common/watch.ts'
import { WatchHub } from '../common/watch-hub.ts'
import {
  type ChangeBatch,
  CompactedError,
  type Datastore,
  type DatastoreHealth,
  type Entry,
  FutureRevisionError,
  type Page,
  type ReadOptions,
  type Revision,
  type SnapshotInfo,
  UnavailableError,
  type Write,
} from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { compactRegularly } from './compactor.ts'
import { type CallOptions, Connection, type ConnectionOptions, watchMethod } from './connection.ts'
import { asUnavailable, EtcdError } from './errors.ts'
import { entryOf, follow, Live, MissedError } from './live.ts'
import type { RangeResponse, WatchResponse } from './messages.ts'
import { shifted, shiftKey } from './shifted.ts'
import { Writes } from './writes.ts'

/** Entries of one answer: small enough to be decoded in passing. */
const pageSize = 500
const probeMs = 5000

export interface EtcdOptions extends ConnectionOptions {
  readonly log?: Logger
}

/** Connects; throws UnavailableError when the cluster does not answer in time. */
export async function openEtcd(options: EtcdOptions): Promise<Datastore> {
  const connection = new Connection(options)
  try {
    const key = Buffer.from(shiftKey)
    const { header, kvs } = await connection.call<RangeResponse>('KV/Range', { key })
    const store = new EtcdDatastore(options, connection, header.revision)
    const shift = Number(kvs?.[0]?.value?.toString() ?? 0)
    return shift > 0 ? shifted(store, shift) : store
  } catch (error) {
    connection.close()
    throw asUnavailable(error, `connecting to ${options.endpoints.join(', ')}`)
  }
}

class EtcdDatastore implements Datastore {
  readonly snapshotForm = 'etcd'
  readonly #connection: Connection
  readonly #hub = new WatchHub()
  readonly #writes: Writes
  readonly #live: Live
  readonly #background = new AbortController()
  readonly #clock: Clock
  readonly #question = new SharedQuestion(() => this.#ask())

  constructor({ clock, log, limitMs }: EtcdOptions, connection: Connection, revision: Revision) {
    this.#connection = connection
    this.#clock = clock
    this.#writes = new Writes(connection, limitMs)
    const { onChange } = this.#writes
    this.#live = new Live(
      { connection, hub: this.#hub, clock, log, onChange, revision: () => currentRevision(connection) },
      revision,
    )
    void compactRegularly(connection, clock, this.#background.signal, log)
  }

  async commit(write: Write): Promise<Revision> {
    this.#mustBeOpen()
    return this.#writes.commit(write, this.#live)
  }

  /** Linearizable. */
  revision(): Promise<Revision> {
    return this.#question.ask()
  }

  async read(prefix: string, options: ReadOptions = {}): Promise<Page> {
    this.#mustBeOpen()
    for (;;) {
      const page = await this.#read(prefix, options)
      if (page) return page
    }
  }

  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch> {
    const either = AbortSignal.any([signal, this.#background.signal])
    const watched = { prefix, after, current: () => this.#live.position }
    return watchLog(this.#hub, watched, (_, from) => this.#history(prefix, from, either), either)
  }

  async compact(before: Revision): Promise<void> {
    this.#mustBeOpen()
    const revision = Math.min(before, await this.revision())
    if (revision <= 0) return
    try {
      await this.#connection.call('KV/Compact', { revision }, { limitMs: 60_000 })
    } catch (error) {
      if (error instanceof EtcdError && error.failure === 'compacted') return
      throw asUnavailable(error, 'compacting')
    }
  }

  /** The stream is what etcd itself restores from: the file with its checksum at the end. `revision` is in it at the least. */
  snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo> {
    return orDestroyed(to, signal, async () => {
      const revision = await this.revision()
      return { revision, bytes: await send(this.#blobs(signal), to, signal) }
    })
  }

  async health(): Promise<DatastoreHealth> {
    try {
      this.#mustBeOpen()
      await currentRevision(this.#connection, { limitMs: probeMs })
      return { ok: true }
    } catch (error) {
      return { ok: false, reason: (error as Error).message }
    }
  }

  async close(): Promise<void> {
    this.#background.abort()
    this.#live.close()
    this.#connection.close()
  }

  #mustBeOpen(): void {
    if (this.#background.signal.aborted) throw new UnavailableError('it is closed')
  }

  async #ask(): Promise<Revision> {
    try {
      this.#mustBeOpen()
      return await currentRevision(this.#connection)
    } catch (error) {
      throw asUnavailable(error, 'asking for the revision')
    }
  }

  async *#blobs(signal: AbortSignal): AsyncGenerator<Buffer> {
    try {
      for await (const { blob } of this.#connection.stream<{ blob?: Buffer }>('Maintenance/Snapshot', {}, signal))
        if (blob) yield blob
    } catch (error) {
      throw asUnavailable(error, 'taking a snapshot')
    }
    // A stream that was given up ends like one that is over.
    this.#mustBeOpen()
    signal.throwIfAborted()
  }

  /** Undefined when the revision it had begun with was compacted meanwhile, and the caller had named none. */
  async #read(prefix: string, { at, start, limit }: ReadOptions): Promise<Page | undefined> {
    const rangeEnd = endOf(prefix)
    let from = Buffer.from(start !== undefined && start > prefix ? start : prefix)
    if (from.length === 0) from = Buffer.of(0)
    const entries: Entry[] = []
    let revision = at
    let count: number | undefined
    for (;;) {
      const wanted = limit === undefined ? pageSize : Math.min(limit - entries.length, pageSize)
      let answer: RangeResponse
      try {
        const request = { key: from, rangeEnd, limit: wanted, ...(revision ? { revision } : {}) }
        answer = await this.#connection.call<RangeResponse>('KV/Range', request)
      } catch (error) {
        const failure = error instanceof EtcdError ? error.failure : undefined
        if (failure === 'compacted' && at === undefined) return undefined
        if (failure === 'compacted') throw new CompactedError(at!, await this.#oldest())
        if (failure === 'future') throw new FutureRevisionError(revision!, await this.revision())
        throw asUnavailable(error, `reading ${prefix}`)
      }
      revision ??= answer.header.revision
      count ??= answer.count ?? 0
      for (const kv of answer.kvs ?? []) entries.push(entryOf(kv))
      const more = answer.more ?? false
      if (!more || entries.length === limit) return { entries, revision, more, count }
      from = Buffer.concat([answer.kvs!.at(-1)!.key, Buffer.of(0)])
    }
  }

  async *#history(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    try {
      for await (const { changes, revision } of follow(this.#connection, after, signal)) {
        const ours = changes.filter(change =>
          (change.type === 'put' ? change.entry.key : change.key).startsWith(prefix),
        )
        yield { changes: ours, revision }
      }
    } catch (error) {
      if (error instanceof MissedError) throw new CompactedError(after, error.compacted ?? (await this.#oldest()))
      throw asUnavailable(error, `watching ${prefix}`)
    }
  }

  /** The oldest revision that can be read. etcd says it only to a watch that has come too late. */
  async #oldest(): Promise<Revision> {
    const late = new AbortController()
    const createRequest = { key: Buffer.of(0), startRevision: 1 }
    void this.#clock.sleep(probeMs, late.signal).then(
      () => late.abort(),
      () => undefined,
    )
    try {
      for await (const answer of this.#connection.stream<WatchResponse>(watchMethod, { createRequest }, late.signal))
        if (answer.compactRevision) return answer.compactRevision
    } catch {
      // Who asks is being refused anyway.
    } finally {
      late.abort()
    }
    return this.#live.position
  }
}

async function currentRevision(connection: Connection, options?: CallOptions): Promise<Revision> {
  const request = { key: Buffer.of(0), countOnly: true }
  return (await connection.call<RangeResponse>('KV/Range', request, options)).header.revision
}

/** The first key after all that start with `prefix`; of no prefix, etcd's sign for "no end". */
function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  for (let i = end.length - 1; i >= 0; i--) {
    if (end[i]! === 0xff) continue
    end[i]!++
    return end.subarray(0, i + 1)
  }
  return Buffer.of(0)
}
