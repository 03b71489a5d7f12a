/** Follows everything that is written to the cluster, on one stream, and hands it to this process' watchers and writers. */

import type { WatchHub } from '../common/watch-hub.ts'
import { type Change, type ChangeBatch, CompactedError, type Entry, type Revision } from '../datastore.ts'
import type { Clock, Logger } from '../effects.ts'
import { type Connection, watchMethod } from './connection.ts'
import { EtcdError } from './errors.ts'
import type { KeyValue, WatchEvent, WatchResponse } from './messages.ts'

const retryMs = 100
const slowRetryMs = 1000
/** All keys: every revision of the cluster shows as an event, so no other sign of progress is needed. */
const everything = { key: Buffer.of(0), rangeEnd: Buffer.of(0) }

/** Thrown for a change whose predecessor is compacted already: whoever watches has come too late. */
export class MissedError extends Error {
  /** Undefined where etcd did not say. */
  readonly compacted: Revision | undefined

  constructor(compacted: Revision | undefined) {
    super('changes have been compacted before they were seen')
    this.name = 'MissedError'
    this.compacted = compacted
  }
}

/**
 * Changes after `after`, of all keys, in revision order; each batch ends at its `revision`. Throws MissedError when they are
 * gone, EtcdError when the stream breaks.
 */
export async function* follow(
  connection: Connection,
  after: Revision,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch> {
  // Asking for `after` itself makes etcd refuse whatever is older than the oldest readable revision.
  const createRequest = { ...everything, startRevision: Math.max(after, 1), prevKv: true }
  let position = after
  for await (const answer of connection.stream<WatchResponse>(watchMethod, { createRequest }, signal)) {
    if (answer.compactRevision) throw new MissedError(answer.compactRevision)
    if (answer.canceled) throw new EtcdError({ code: 14, details: answer.cancelReason || 'watch ended', message: '' })
    const changes = (answer.events ?? []).filter(event => event.kv.modRevision > position).map(changeOf)
    const last = changes.at(-1)
    if (!last) continue
    position = revisionOf(last)
    yield { changes, revision: position }
  }
}

export function entryOf(kv: KeyValue): Entry {
  return {
    key: kv.key.toString(),
    value: kv.value ?? Buffer.alloc(0),
    revision: kv.modRevision,
    createRevision: kv.createRevision,
  }
}

function changeOf({ type, kv, prevKv }: WatchEvent): Change {
  const previous = prevKv ? entryOf(prevKv) : undefined
  if (type === 'DELETE') {
    if (!previous) throw new MissedError(undefined)
    return { type: 'delete', key: kv.key.toString(), revision: kv.modRevision, previous }
  }
  if (!previous && kv.createRevision !== kv.modRevision) throw new MissedError(undefined)
  return { type: 'put', entry: entryOf(kv), previous }
}

export const revisionOf = (change: Change): Revision =>
  change.type === 'put' ? change.entry.revision : change.revision

export interface LiveOptions {
  readonly connection: Connection
  readonly hub: WatchHub
  readonly clock: Clock
  readonly log: Logger | undefined
  /** Where the cluster stands. */
  revision(): Promise<Revision>
  /** Called with every change, before watchers see it. */
  onChange(change: Change): void
}

export class Live {
  readonly #options: LiveOptions
  readonly #stop = new AbortController()
  readonly #waiters = new Set<{ readonly revision: Revision; wake(): void }>()
  #position: Revision

  /** Starts at `position`: what is older has to be read. */
  constructor(options: LiveOptions, position: Revision) {
    this.#options = options
    this.#position = position
    void this.#run()
  }

  /** Watchers have been given everything up to here. */
  get position(): Revision {
    return this.#position
  }

  /** Resolves once watchers have everything up to `revision`, or after `limitMs`. */
  async reached(revision: Revision, limitMs: number): Promise<void> {
    if (revision <= this.#position || this.#stop.signal.aborted) return
    const late = new AbortController()
    await new Promise<void>(resolve => {
      const waiter = { revision, wake: resolve }
      this.#waiters.add(waiter)
      const giveUp = () => {
        this.#waiters.delete(waiter)
        resolve()
      }
      this.#options.clock.sleep(limitMs, late.signal).then(giveUp, () => undefined)
    })
    late.abort()
  }

  close(): void {
    this.#stop.abort()
    this.#options.hub.close()
    for (const waiter of this.#waiters) waiter.wake()
    this.#waiters.clear()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    let broken = 0
    while (!signal.aborted) {
      try {
        for await (const batch of follow(this.#options.connection, this.#position, signal)) {
          if (broken > 0) this.#options.log?.info({ revision: batch.revision }, 'the watch of etcd goes on')
          broken = 0
          this.#publish(batch)
        }
      } catch (error) {
        if (broken++ === 0) this.#options.log?.warn({ error: String(error) }, 'the watch of etcd broke')
        if (error instanceof MissedError) await this.#startOver()
        else await this.#checkPast()
      }
      await this.#options.clock.sleep(broken > 5 ? slowRetryMs : retryMs, signal).catch(() => undefined)
    }
  }

  /** What was missed can no longer be had here: watchers are sent to the log, which tells each whether it is too late. */
  async #startOver(): Promise<void> {
    const revision = await this.#options.revision().catch(() => undefined)
    if (revision === undefined || revision <= this.#position) return
    this.#position = revision
    this.#options.hub.skip(revision)
    this.#wake()
  }

  /** A cluster that has come back without its newest writes (a restored snapshot) is another one to those who saw them. */
  async #checkPast(): Promise<void> {
    const revision = await this.#options.revision().catch(() => undefined)
    if (revision === undefined || revision >= this.#position) return
    const seen = this.#position
    this.#options.log?.warn({ seen, revision }, 'etcd has gone back: all watches start over')
    this.#position = revision
    this.#options.hub.fail(new CompactedError(seen, revision))
  }

  #publish(batch: ChangeBatch): void {
    for (const change of batch.changes) this.#options.onChange(change)
    this.#position = batch.revision
    this.#options.hub.publish(batch)
    this.#wake()
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#position) continue
      this.#waiters.delete(waiter)
      waiter.wake()
    }
  }
}
