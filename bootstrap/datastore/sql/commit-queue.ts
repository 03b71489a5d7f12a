/**
 * Group commit over a connection that may break. One batch is on its way at a time; what arrives meanwhile becomes the next
 * one. A batch whose answer was lost is sent again under the same id, which the log knows if it has it: no write conflicts
 * with itself, none is done twice. When the time is up, whoever waits is told what is known.
 */
import { randomInt } from 'node:crypto'
import { setImmediate as turnEnd } from 'node:timers/promises'
import {
  type Change,
  type ChangeBatch,
  ConflictError,
  type Revision,
  type UnavailableError,
  type Write,
} from '../datastore.ts'
import { type Limits, monotonicMs } from './limits.ts'
import { isPassing, type Link } from './link.ts'
import type { Batch, Outcome } from './log-connection.ts'

const maxBatchWrites = 500
const maxBatchBytes = 1024 * 1024
/** What every engine can index. */
const maxKeyBytes = 1024

interface Pending {
  readonly write: Write
  readonly until: number
  resolve(revision: Revision): void
  reject(error: Error): void
}

/** Who shows what is written. */
export interface Publisher {
  /** The newest revision shown. */
  readonly revision: Revision
  /** A batch of this server is sent; to be called back with its answer or its end. */
  sends(id: number): () => void
  /** Takes a batch of this server, written by the batch `id`; resolves once it is shown. */
  show(batch: ChangeBatch, id: number): Promise<void>
}

export interface CommitQueueOptions {
  readonly link: Link
  readonly publisher: Publisher
  readonly limits: Limits
}

export class CommitQueue {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #limits: Limits
  #pending: Pending[] = []
  #running: Promise<void> | undefined

  constructor({ link, publisher, limits }: CommitQueueOptions) {
    this.#link = link
    this.#publisher = publisher
    this.#limits = limits
  }

  /** Resolves once durable and shown. ConflictError; UnavailableError says whether it was certainly not written. */
  async commit(write: Write): Promise<Revision> {
    this.#link.refuseWhenLongAway()
    // In a batch it would take the others down with it.
    if (Buffer.byteLength(write.key) > maxKeyBytes)
      throw this.#link.unavailable(notWritten(`a key is longer than ${maxKeyBytes} bytes`))
    return new Promise((resolve, reject) => {
      this.#pending.push({ write, until: monotonicMs() + this.#limits.giveUpMs, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Waits for what has been accepted. */
  async close(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      // All that the event loop brings in one turn becomes one batch: a round trip costs more than a write does.
      await turnEnd()
      await this.#write(this.#takeBatch())
    }
    this.#running = undefined
  }

  /** The next writes, one per key at most. */
  #takeBatch(): readonly Pending[] {
    const batch: Pending[] = []
    const keys = new Set<string>()
    const later: Pending[] = []
    let bytes = 0
    for (const pending of this.#pending) {
      const { write } = pending
      const size = write.op === 'delete' ? 0 : write.value.byteLength
      const full = batch.length >= maxBatchWrites || (batch.length > 0 && bytes + size > maxBatchBytes)
      if (full || keys.has(write.key)) later.push(pending)
      else {
        batch.push(pending)
        bytes += size
      }
      keys.add(write.key)
    }
    this.#pending = later
    return batch
  }

  async #write(pending: readonly Pending[]): Promise<void> {
    const writes = pending.map(({ write }) => write)
    const batch: Batch = { id: randomInt(1, 2 ** 47), since: this.#publisher.revision, writes }
    const answered = this.#publisher.sends(batch.id)
    try {
      await this.#try(batch, pending)
    } finally {
      answered()
    }
  }

  /** Tries until the batch is answered or its time is up. */
  async #try(batch: Batch, pending: readonly Pending[]): Promise<void> {
    const until = pending[0]!.until
    let sent = false
    for (let attempt = 0; ; attempt++) {
      let asked = false
      try {
        const outcomes = await this.#link.use('writer', connection => {
          asked = true
          return connection.append(batch)
        })
        return this.#answer(pending, outcomes, batch.id)
      } catch (error) {
        const passing = isPassing(error)
        // A refused statement did nothing; only an answer that never came leaves the outcome open.
        sent ||= asked && !isRefusal(error)
        const reason = (error as Error).message
        this.#expire(reason)
        if (!passing || monotonicMs() >= until || this.#link.closed.aborted)
          return this.#refuse(pending, sent ? `${reason}: whether this was written is not known` : notWritten(reason))
      }
      await this.#link.pause(attempt, until)
    }
  }

  /** Refuses those behind the batch who have waited long enough. */
  #expire(reason: string): void {
    const now = monotonicMs()
    const late = this.#pending.filter(({ until }) => now >= until)
    if (late.length === 0) return
    this.#pending = this.#pending.filter(({ until }) => now < until)
    this.#refuse(late, notWritten(reason))
  }

  #refuse(pending: readonly Pending[], reason: string): void {
    const error = this.#link.unavailable(reason)
    for (const { reject } of pending) reject(error)
  }

  #answer(pending: readonly Pending[], outcomes: readonly Outcome[], id: number): void {
    const written: [Pending, Revision][] = []
    const changes: Change[] = []
    outcomes.forEach((outcome, i) => {
      const { write, reject } = pending[i]!
      if (outcome.written) {
        written.push([pending[i]!, outcome.entry.revision])
        changes.push(changeOf(write, outcome))
      } else reject(new ConflictError(write.key, outcome.current))
    })
    if (written.length === 0) return
    const last = written.at(-1)![1]
    void this.#publisher.show({ changes, revision: last }, id).then(
      () => {
        for (const [{ resolve }, revision] of written) resolve(revision)
      },
      (error: unknown) => {
        for (const [{ reject }] of written) reject(error as UnavailableError)
      },
    )
  }
}

const notWritten = (reason: string) => `${reason}: nothing was written`

const isRefusal = (error: unknown): boolean => error instanceof Error && error.name === 'StatementError'

function changeOf(write: Write, { entry, previous }: Extract<Outcome, { written: true }>): Change {
  return write.op === 'delete'
    ? { type: 'delete', key: write.key, revision: entry.revision, previous: previous! }
    : { type: 'put', entry: { ...entry, value: write.value }, previous }
}
