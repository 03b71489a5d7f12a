/** Commits: one transaction each, repeated when etcd or the way to it fails, and never mistaken for another's. */
import { type Change, ConflictError, type Key, type Revision, UnavailableError, type Write } from '../datastore.ts'
import type { Connection } from './connection.ts'
import { asUnavailable } from './errors.ts'
import { entryOf, type Live } from './live.ts'
import type { TxnResponse } from './messages.ts'

/** etcd takes on so many more than it has applied before it refuses; beyond this, waiting here is cheaper. */
const mostInFlight = 512
/** Longer than this a watch that lags does not hold up a write that is durable. */
const showMs = 10_000

interface Pending {
  readonly write: Write
  /** The revision at which a watch showed exactly this write, by whomever. */
  seen?: Revision
}

export class Writes {
  readonly #connection: Connection
  readonly #pending = new Map<Key, Set<Pending>>()
  readonly #queue: (() => void)[] = []
  #inFlight = 0

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** To be told of every change of the log, in order. */
  readonly onChange = (change: Change): void => {
    const waiting = this.#pending.get(change.type === 'put' ? change.entry.key : change.key)
    if (!waiting) return
    for (const pending of waiting) {
      if (isWrittenBy(change, pending.write))
        pending.seen = change.type === 'put' ? change.entry.revision : change.revision
    }
  }

  /** Resolves once the write is durable and `live` has shown it. */
  async commit(write: Write, live: Live): Promise<Revision> {
    if (this.#inFlight >= mostInFlight) await new Promise<void>(resolve => this.#queue.push(resolve))
    this.#inFlight++
    const pending: Pending = { write }
    this.#add(pending)
    try {
      return await this.#send(pending, live)
    } finally {
      this.#remove(pending)
      this.#inFlight--
      this.#queue.shift()?.()
    }
  }

  async #send(pending: Pending, live: Live): Promise<Revision> {
    const { write } = pending
    let unknown = false
    const onUnknown = () => {
      unknown = true
    }
    let answer: TxnResponse
    try {
      answer = await this.#connection.call<TxnResponse>('KV/Txn', transactionOf(write), { onUnknown })
    } catch (error) {
      if (pending.seen !== undefined && write.op !== 'delete') return pending.seen
      throw asUnavailable(error, `writing ${write.key}`)
    }
    const { revision } = answer.header
    if (answer.succeeded || unknown) await live.reached(revision, showMs)
    if (answer.succeeded) return revision
    // An earlier attempt may have gone through although its answer was lost; then the watch has shown it. What it shows of
    // a deletion may as well be somebody else's: only values tell writers apart.
    if (unknown && pending.seen !== undefined) {
      if (write.op !== 'delete') return pending.seen
      throw new UnavailableError(`deleting ${write.key}: it is gone, but whether by this request is not known`)
    }
    const current = answer.responses?.[0]?.responseRange?.kvs?.[0]
    throw new ConflictError(write.key, current && entryOf(current))
  }

  #add(pending: Pending): void {
    const { key } = pending.write
    const others = this.#pending.get(key)
    if (others) others.add(pending)
    else this.#pending.set(key, new Set([pending]))
  }

  #remove(pending: Pending): void {
    const { key } = pending.write
    const all = this.#pending.get(key)
    all?.delete(pending)
    if (all?.size === 0) this.#pending.delete(key)
  }
}

function transactionOf(write: Write): object {
  const key = Buffer.from(write.key)
  const modRevision = write.op === 'create' ? 0 : write.revision
  const change = write.op === 'delete' ? { requestDeleteRange: { key } } : { requestPut: { key, value: write.value } }
  return {
    compare: [{ result: 'EQUAL', target: 'MOD', key, modRevision }],
    success: [change],
    failure: [{ requestRange: { key } }],
  }
}

function isWrittenBy(change: Change, write: Write): boolean {
  const base = write.op === 'create' ? undefined : write.revision
  if (change.previous?.revision !== base) return false
  if (write.op === 'delete') return change.type === 'delete'
  return change.type === 'put' && change.entry.value.equals(write.value)
}
