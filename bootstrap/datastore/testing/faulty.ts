/** One server's way to a datastore that others use, too; it can be delayed and cut. For tests of what servers make of that. */
import type { Writable } from 'node:stream'
import {
  type ChangeBatch,
  CompactedError,
  type Datastore,
  type DatastoreHealth,
  type Page,
  type ReadOptions,
  type Revision,
  type SnapshotInfo,
  UnavailableError,
  type Write,
} from '../datastore.ts'

type Way = 'open' | 'refused' | 'silent'

export class FaultyDatastore implements Datastore {
  readonly exclusive = false
  readonly #inner: Datastore
  #way: Way = 'open'
  #watches: 'flowing' | 'held' = 'flowing'
  #changed = Promise.withResolvers<void>()
  #cut = new AbortController()
  #forgotten = false
  /** How many times the revision has been asked for. */
  asked = 0

  get snapshotForm() {
    return this.#inner.snapshotForm
  }

  constructor(inner: Datastore) {
    this.#inner = inner
  }

  /** Changes are withheld until `flow`; everything else works. */
  hold(): void {
    this.#watches = 'held'
  }

  /** Lets changes through again, those withheld first. */
  flow(): void {
    this.#watches = 'flowing'
    this.#tell()
  }

  /** Every request fails, at once or never, and watches break; until `mend`. */
  cut(way: 'refused' | 'silent'): void {
    this.#way = way
    if (way === 'refused') this.#cut.abort()
  }

  /** Works again; with `forgotten`, watches cannot resume where they were. */
  mend({ forgotten = false } = {}): void {
    this.#forgotten = forgotten
    this.#way = 'open'
    this.#cut = new AbortController()
    this.#tell()
  }

  read(prefix: string, options?: ReadOptions): Promise<Page> {
    return this.#through(() => this.#inner.read(prefix, options))
  }

  commit(write: Write): Promise<Revision> {
    return this.#through(() => this.#inner.commit(write))
  }

  compact(before: Revision): Promise<void> {
    return this.#through(() => this.#inner.compact(before))
  }

  snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo> {
    return this.#through(() => this.#inner.snapshot(to, signal))
  }

  health(): Promise<DatastoreHealth> {
    return this.#through(() => this.#inner.health())
  }

  revision(): Promise<Revision> {
    this.asked++
    return this.#through(() => this.#inner.revision())
  }

  /** The real one stays open: it is others', too. */
  async close(): Promise<void> {}

  async *watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<ChangeBatch, void, undefined> {
    if (this.#way === 'refused') throw new UnavailableError('connection refused')
    if (this.#forgotten) {
      this.#forgotten = false
      throw new CompactedError(after, after + 1)
    }
    const broken = this.#cut.signal
    const until = AbortSignal.any([signal, broken])
    const ended = new Promise<void>(resolve => until.addEventListener('abort', () => resolve(), { once: true }))
    for await (const batch of this.#inner.watch(prefix, after, until)) {
      while ((this.#watches === 'held' || this.#way === 'silent') && !until.aborted)
        await Promise.race([this.#changed.promise, ended])
      if (until.aborted) break
      yield batch
    }
    if (broken.aborted && !signal.aborted) throw new UnavailableError('connection lost')
  }

  async #through<T>(work: () => Promise<T>): Promise<T> {
    if (this.#way === 'refused') throw new UnavailableError('connection refused')
    if (this.#way === 'silent') await new Promise<never>(() => {})
    return await work()
  }

  #tell(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
