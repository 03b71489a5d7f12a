/** Commits: one transaction each, repeated when etcd or the way to it fails, and never mistaken for another's. */
import { randomUUID } from 'node:crypto'
import { type Change, ConflictError, type Key, type Revision, UnavailableError, type Write } from '../datastore.ts'
import { type Connection, defaultLimitMs } from './connection.ts'
import { asUnavailable, EtcdError } from './errors.ts'
import { entryOf, type Live } from './live.ts'
import type { Header, TxnResponse } from './messages.ts'

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

  readonly #limitMs: number
  /** Absent, at revision 0, until an answer is lost for the first time. */
  readonly #fenceKey = Buffer.from(`/skiff/fence/${randomUUID()}`)
  #fence: Revision = 0
  #raising: Promise<void> | undefined

  constructor(connection: Connection, limitMs = defaultLimitMs) {
    this.#connection = connection
    this.#limitMs = limitMs
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
    const until = performance.now() + this.#limitMs
    try {
      for (;;) {
        const fence = this.#fence
        const answer = await this.#attempt(write, fence, until)
        if (answer === undefined) {
          const known = await this.#settle(pending, fence, live, until)
          if (known !== undefined) return known
          continue
        }
        const { revision } = answer.header
        if (answer.succeeded) {
          await live.reached(revision, showMs)
          return revision
        }
        const [current, held] = (answer.responses ?? []).map(each => each.responseRange?.kvs?.[0])
        const heldAt = held?.modRevision ?? 0
        if (heldAt === fence) throw new ConflictError(write.key, current && entryOf(current))
        this.#fence = Math.max(this.#fence, heldAt)
      }
    } catch (error) {
      throw asUnavailable(error, `writing ${write.key}`)
    }
  }

  /** Undefined when nobody can say whether it had an effect. */
  async #attempt(write: Write, fence: Revision, until: number): Promise<TxnResponse | undefined> {
    const options = { exact: true, limitMs: Math.max(1, until - performance.now()) }
    try {
      return await this.#connection.call<TxnResponse>('KV/Txn', this.#transactionOf(write, fence), options)
    } catch (error) {
      if (error instanceof EtcdError && error.failure === 'unknown' && performance.now() < until) return undefined
      throw error
    }
  }

  /**
   * Finds out about an attempt whose answer is lost. Every attempt is bound to this process' fence, so once the fence has been
   * raised, an attempt from before it is in the log or never will be, and the watch tells which. Undefined: it is not, and the
   * write can be tried again. Without this, a create that was repeated could bring back what others have deleted meanwhile.
   */
  async #settle(pending: Pending, fence: Revision, live: Live, until: number): Promise<Revision | undefined> {
    const left = () => Math.max(1, until - performance.now())
    while (this.#fence <= fence) await (this.#raising ??= this.#raise(left()))
    const raised = this.#fence
    await live.reached(raised, left())
    const { seen, write } = pending
    // Of a delete nothing shows whose it was.
    if (live.position < raised || (seen !== undefined && write.op === 'delete'))
      throw new UnavailableError(
        `etcd, writing ${write.key}: the answer was lost, it is not known whether it was written`,
      )
    return seen
  }

  async #raise(limitMs: number): Promise<void> {
    try {
      const request = { key: this.#fenceKey, value: Buffer.alloc(0) }
      const { header } = await this.#connection.call<{ header: Header }>('KV/Put', request, { limitMs })
      this.#fence = Math.max(this.#fence, header.revision)
    } finally {
      this.#raising = undefined
    }
  }

  #transactionOf(write: Write, fence: Revision): object {
    const key = Buffer.from(write.key)
    const modRevision = write.op === 'create' ? 0 : write.revision
    const change = write.op === 'delete' ? { requestDeleteRange: { key } } : { requestPut: { key, value: write.value } }
    return {
      compare: [
        { result: 'EQUAL', target: 'MOD', key, modRevision },
        { result: 'EQUAL', target: 'MOD', key: this.#fenceKey, modRevision: fence },
      ],
      success: [change],
      failure: [{ requestRange: { key } }, { requestRange: { key: this.#fenceKey } }],
    }
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

function isWrittenBy(change: Change, write: Write): boolean {
  const base = write.op === 'create' ? undefined : write.revision
  if (change.previous?.revision !== base) return false
  if (write.op === 'delete') return change.type === 'delete'
  return change.type === 'put' && change.entry.value.equals(write.value)
}
