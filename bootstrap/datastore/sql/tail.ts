/**
 * Follows the head of the log on one connection: publishes what other servers wrote, in between what this one did, answers
 * how far the log is, and notices when the database is not the one it was.
 */

import type { WatchHub } from '../common/watch-hub.ts'
import { type ChangeBatch, CompactedError, type Revision } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { changesOf } from './fetch.ts'
import type { Limits } from './limits.ts'
import { isPassing, type Link } from './link.ts'
import type { Head, HistoryRow, LogConnection } from './log-connection.ts'

const everything = { start: '', end: '\u{10ffff}' }
const historyRows = 500
/** How long rows of a batch under way are left to its answer, which brings the same. */
const answerSoonMs = 50

interface Waiter {
  readonly revision: Revision
  resolve(): void
}

/** One question for all who ask before it is put to the database. */
interface Question {
  readonly answer: Promise<Revision>
  /** Aborted when it is answered, or refused because that took too long. */
  readonly settled: AbortSignal
  resolve(revision: Revision): void
  reject(error: Error): void
}

interface UnderWay {
  readonly id: number
  readonly answered: AbortSignal
}

export interface TailOptions {
  readonly link: Link
  readonly hub: WatchHub
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
}

/** Where the log is shown up to, and the batch that wrote the newest of it. */
export interface Position {
  readonly revision: Revision
  readonly batch: number | undefined
}

export class Tail {
  readonly #options: TailOptions
  #position: Position
  /** Batches of this server that wait for those of others before them, by their first revision. */
  readonly #early = new Map<Revision, { readonly batch: ChangeBatch; readonly id: number }>()
  #underWay: UnderWay | undefined
  #waiters: Waiter[] = []
  #asked: Question | undefined
  #hint: Revision = 0
  #wake: (() => void) | undefined

  constructor(options: TailOptions, position: Position) {
    this.#options = options
    this.#position = position
  }

  get revision(): Revision {
    return this.#position.revision
  }

  /** A batch of this server is sent; to be called back with its answer or its end. */
  sends(id: number): () => void {
    const answered = new AbortController()
    this.#underWay = { id, answered: answered.signal }
    return () => {
      this.#underWay = undefined
      answered.abort()
    }
  }

  /** A batch of this server; published once everything before it is. Resolves then; UnavailableError when that takes too long. */
  async show(batch: ChangeBatch, id: number): Promise<void> {
    const first = batch.revision - batch.changes.length + 1
    if (batch.revision <= this.revision) return
    if (first === this.revision + 1) {
      this.#publish(batch, id)
      return
    }
    this.#early.set(first, { batch, id })
    const shown = this.#shown(batch.revision)
    this.moved(batch.revision)
    await shown
  }

  async #shown(revision: Revision): Promise<void> {
    const { link, limits, clock } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { revision, resolve }
    this.#waiters.push(waiter)
    const settled = new AbortController()
    clock.sleep(limits.giveUpMs, settled.signal).then(
      () => {
        this.#waiters = this.#waiters.filter(other => other !== waiter)
        const why = link.failure ?? 'what others wrote before does not arrive'
        reject(link.unavailable(`${why}: this was written (revision ${revision}), but cannot be shown yet`))
      },
      () => undefined,
    )
    await promise.finally(() => settled.abort())
  }

  /** Says that the log has come this far. */
  moved(revision: Revision): void {
    if (revision <= this.#hint) return
    this.#hint = revision
    if (revision > this.revision) this.#wake?.()
  }

  /** How far the log is, as of now: asked of the database, once for all who ask meanwhile. UnavailableError. */
  async head(): Promise<Revision> {
    this.#options.link.refuseWhenLongAway()
    if (!this.#asked) {
      this.#asked = this.#question()
      this.#wake?.()
    }
    return this.#asked.answer
  }

  /** Answered in time, or refused. */
  #question(): Question {
    const { link, limits, clock } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<Revision>()
    const settled = new AbortController()
    const question: Question = {
      answer: promise.finally(() => settled.abort()),
      settled: settled.signal,
      resolve,
      reject,
    }
    clock.sleep(limits.giveUpMs, settled.signal).then(
      () => {
        if (this.#asked === question) this.#asked = undefined
        reject(link.unavailable(link.failure ?? 'does not answer'))
      },
      () => undefined,
    )
    return question
  }

  /** Follows until the link is closed; connects again by itself. */
  async run(): Promise<void> {
    const { link } = this.#options
    let attempt = 0
    while (!link.closed.aborted) {
      try {
        await link.use('tail', async connection => {
          await connection.listen?.(revision => this.moved(revision))
          await this.#check(connection)
          link.works()
          attempt = 0
          await this.#follow(connection)
        })
      } catch (error) {
        if (link.closed.aborted) break
        if (!isPassing(error)) this.#options.log.warn({ error: String(error) }, 'cannot follow the datastore')
        await link.pause(attempt++)
      }
    }
    this.#asked?.reject(link.unavailable('the datastore is closed'))
    for (const { resolve } of this.#waiters.splice(0)) resolve()
  }

  async #follow(connection: LogConnection): Promise<void> {
    const { link, limits } = this.#options
    let quiet: number = limits.lookMs.least
    while (!link.closed.aborted) {
      const before = this.revision
      // What is announced from here on is newer than the answer; before, it may be of a log that is not ours.
      this.#hint = 0
      const head = await this.#ask(connection)
      link.works()
      const foreign = await this.#catchUp(connection, head)
      quiet = foreign || this.revision < before ? limits.lookMs.least : Math.min(quiet * 1.5, limits.lookMs.most)
      await this.#rest(quiet, connection)
    }
  }

  /** The head, also for everybody who has asked so far; they wait on when the connection breaks. */
  async #ask(connection: LogConnection): Promise<Head> {
    const asked = this.#asked
    this.#asked = undefined
    try {
      const head = await connection.head()
      asked?.resolve(head.revision)
      return head
    } catch (error) {
      if (asked && !asked.settled.aborted) this.#askAgain(asked)
      throw error
    }
  }

  #askAgain(asked: Question): void {
    if (this.#asked) this.#asked.answer.then(asked.resolve, asked.reject)
    else this.#asked = asked
  }

  /** Publishes everything up to `head`; true when some of it was written by others. */
  async #catchUp(connection: LogConnection, head: Head): Promise<boolean> {
    let foreign = false
    while (this.revision < head.revision) {
      const early = this.#early.get(this.revision + 1)
      if (early) {
        this.#publish(early.batch, early.id)
        continue
      }
      if (await this.#comesByItself(connection)) continue
      foreign = true
      const nextOwn = Math.min(...this.#early.keys())
      const through = Math.min(this.revision + historyRows, head.revision, nextOwn - 1)
      const after = this.revision
      const rows = await connection.history(everything, after, through)
      if (rows.length < through - after) {
        const { compacted, revision } = await connection.head()
        this.#startOver({ revision, batch: await connection.batchOf(revision) }, compacted)
        return true
      }
      const changes = await changesOf(connection, rows)
      this.#publishRows(rows, changes)
    }
    return foreign
  }

  /** Whether what comes next is this server's own batch, and its answer was waited for. */
  async #comesByItself(connection: LogConnection): Promise<boolean> {
    const next = this.revision + 1
    const batch = this.#underWay
    if (!batch || (await connection.batchOf(next)) !== batch.id) return this.revision >= next
    const soon = AbortSignal.any([batch.answered, connection.gone])
    await this.#options.clock.sleep(answerSoonMs, soon).catch(() => undefined)
    return this.revision >= next
  }

  /** What is left of the rows after what was published while they were fetched. */
  #publishRows(rows: readonly HistoryRow[], changes: ChangeBatch['changes']): void {
    const known = rows.findIndex(row => row.revision > this.revision)
    if (known < 0) return
    const last = rows.at(-1)!
    this.#publish({ changes: known === 0 ? changes : changes.slice(known), revision: last.revision }, last.batch)
  }

  #publish(batch: ChangeBatch, id: number): void {
    this.#position = { revision: batch.revision, batch: id }
    this.#options.hub.publish(batch)
    this.#settle()
  }

  #settle(): void {
    for (const first of this.#early.keys()) if (first <= this.revision) this.#early.delete(first)
    if (this.#waiters.length === 0) return
    const settled = this.#waiters.filter(({ revision }) => revision <= this.revision)
    this.#waiters = this.#waiters.filter(({ revision }) => revision > this.revision)
    for (const { resolve } of settled) resolve()
  }

  /** A database that came back without what it had (another primary, a restored copy) is another log: everybody starts over. */
  async #check(connection: LogConnection): Promise<void> {
    const known = this.#position
    const head = await connection.head()
    const batch = known.revision === 0 ? undefined : await connection.batchOf(known.revision)
    const lost = head.revision < known.revision || (batch !== undefined && batch !== known.batch)
    if (lost || head.compacted > this.revision)
      this.#startOver({ revision: head.revision, batch: await connection.batchOf(head.revision) }, head.compacted)
  }

  #startOver(position: Position, compacted: Revision): void {
    const { hub, log } = this.#options
    log.warn(
      { from: this.revision, to: position.revision },
      'the log cannot be followed from where it was: starting over',
    )
    const error = new CompactedError(this.revision, compacted)
    this.#position = position
    this.#hint = position.revision
    hub.fail(error)
    this.#early.clear()
    // What was written is written, whoever shows it.
    for (const { resolve } of this.#waiters.splice(0)) resolve()
  }

  /** Until there is something to do, or it is time to look. */
  async #rest(ms: number, connection: LogConnection): Promise<void> {
    const { clock, link } = this.#options
    if (this.#asked || this.#hint > this.revision || connection.gone.aborted) return
    const stop = new AbortController()
    this.#wake = () => stop.abort()
    const signals = AbortSignal.any([stop.signal, connection.gone, link.closed])
    await clock.sleep(ms, signals).catch(() => undefined)
    this.#wake = undefined
  }
}
