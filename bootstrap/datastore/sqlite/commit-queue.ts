/**
 * Group commit. One batch is on its way to the disk at a time; what arrives meanwhile becomes the next one. Writes are
 * checked against the index of live keys when their batch is made, and the index follows only durable batches: a batch
 * that fails leaves nothing to undo, and its revisions were never seen by anyone.
 */
import { setImmediate as turnEnd } from 'node:timers/promises'
import {
  type Change,
  type ChangeBatch,
  ConflictError,
  type Entry,
  type Key,
  type Revision,
  UnavailableError,
  type Write,
} from '../datastore.ts'
import { pack, unpack } from './block.ts'
import type { LogRow } from './log-file.ts'
import type { WriterClient } from './writer-client.ts'

const maxBatchWrites = 1000
const maxBatchBytes = 8 * 1024 * 1024

export interface Version {
  readonly revision: Revision
  readonly createRevision: Revision
}

interface Pending {
  readonly write: Write
  resolve(revision: Revision): void
  reject(error: Error): void
}

export interface Subscribers {
  publish(batch: ChangeBatch): void
}

export class CommitQueue {
  readonly #writer: WriterClient
  readonly #index: Map<Key, Version>
  readonly #subscribers: Subscribers
  #revision: Revision
  #pending: Pending[] = []
  #running: Promise<void> | undefined
  #failure: UnavailableError | undefined
  #closed = false

  constructor(writer: WriterClient, index: Map<Key, Version>, revision: Revision, subscribers: Subscribers) {
    this.#writer = writer
    this.#index = index
    this.#revision = revision
    this.#subscribers = subscribers
  }

  /** Revision of the newest durable write. */
  get revision(): Revision {
    return this.#revision
  }

  /** Why the newest batch failed, if it did. */
  get failure(): UnavailableError | undefined {
    return this.#failure
  }

  /** Resolves once durable. Throws ConflictError, or UnavailableError when the batch could not be written. */
  commit(write: Write): Promise<Revision> {
    if (this.#closed) return Promise.reject(new UnavailableError('the datastore is closed'))
    return new Promise((resolve, reject) => {
      this.#pending.push({ write, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Refuses new writes and waits for those already accepted. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      // All that the event loop brings in one turn becomes one batch: waking the writer costs more than a write does.
      await turnEnd()
      await this.#write(this.#takeBatch())
    }
    this.#running = undefined
  }

  /** The next writes that pass their check, one per key at most; those that fail it are answered. */
  #takeBatch(): Pending[] {
    const batch: Pending[] = []
    const keys = new Set<Key>()
    const later: Pending[] = []
    let bytes = 0
    for (const pending of this.#pending) {
      const { write } = pending
      if (batch.length >= maxBatchWrites || bytes >= maxBatchBytes || keys.has(write.key)) {
        later.push(pending)
        keys.add(write.key)
      } else if (this.#passes(write)) {
        batch.push(pending)
        keys.add(write.key)
        bytes += write.op === 'delete' ? 0 : write.value.byteLength
      } else {
        this.#reportConflict(pending)
      }
    }
    this.#pending = later
    return batch
  }

  #passes(write: Write): boolean {
    const current = this.#index.get(write.key)
    return write.op === 'create' ? current === undefined : current?.revision === write.revision
  }

  async #write(batch: readonly Pending[]): Promise<void> {
    if (batch.length === 0) return
    const first = this.#revision + 1
    const rows = batch.map(({ write }, i) => this.#rowOf(write, first + i))
    const values = pack(batch.map(({ write }) => (write.op === 'delete' ? nothing : write.value)))
    let previous: readonly Buffer[]
    try {
      previous = unpack(await this.#writer.call('commit', [first, rows, values], [values.bytes]))
    } catch (error) {
      this.#failure = error as UnavailableError
      for (const { reject } of batch) reject(this.#failure)
      return
    }
    this.#failure = undefined
    this.#publish(batch, rows, first, previous)
    for (const [i, { resolve }] of batch.entries()) resolve(first + i)
  }

  #rowOf(write: Write, revision: Revision): LogRow {
    const current = this.#index.get(write.key)
    return {
      key: write.key,
      createRevision: current?.createRevision ?? revision,
      previous: current?.revision ?? 0,
      deleted: write.op === 'delete',
    }
  }

  #publish(batch: readonly Pending[], rows: readonly LogRow[], first: Revision, previous: readonly Buffer[]): void {
    const changes: Change[] = []
    batch.forEach(({ write }, i) => {
      const revision = first + i
      const { key, createRevision } = rows[i]!
      const old = this.#index.get(key)
      if (write.op === 'delete') this.#index.delete(key)
      else this.#index.set(key, { revision, createRevision })
      changes.push(changeOf(write, revision, createRevision, old && { key, value: previous[i]!, ...old }))
    })
    this.#revision = first + batch.length - 1
    this.#subscribers.publish({ changes, revision: this.#revision })
  }

  async #reportConflict({ write, reject }: Pending): Promise<void> {
    try {
      reject(new ConflictError(write.key, await this.#current(write.key)))
    } catch (error) {
      reject(error as Error)
    }
  }

  async #current(key: Key): Promise<Entry | undefined> {
    for (;;) {
      const version = this.#index.get(key)
      if (!version) return undefined
      const value = await this.#writer.call('value', [version.revision])
      if (value) return { key, value: Buffer.from(value.buffer, value.byteOffset, value.byteLength), ...version }
    }
  }
}

const nothing = new Uint8Array(0)

function changeOf(write: Write, revision: Revision, createRevision: Revision, previous: Entry | undefined): Change {
  return write.op === 'delete'
    ? { type: 'delete', key: write.key, revision, previous: previous! }
    : { type: 'put', entry: { key: write.key, value: write.value, revision, createRevision }, previous }
}
