/** The watch cache of one resource: its current objects, its recent events, and its watchers. */
import type { KubeObject } from '../../api/object.ts'
import {
  type Change,
  CompactedError,
  type Datastore,
  type Entry,
  FutureRevisionError,
  type Key,
  type Revision,
  UnavailableError,
  type Write,
} from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'
import { type ChangeEvent, EventRing } from './event-ring.ts'
import { placeOf, prefixOf } from './keys.ts'
import { listAt, pageOf } from './listing.ts'
import { ObjectTable } from './object-table.ts'
import type { ListPage, ListQuery, ResourceStore, Stored, StoreEvent, WatchQuery } from './store.ts'
import { encode, StoredObject } from './stored-object.ts'
import type { Ticker } from './ticker.ts'
import { Watchers } from './watchers.ts'

const loadPage = 500
const trimEveryMs = 60_000
/** How long a write that is durable waits for the watch to bring it back before it is answered from what was sent. */
const echoMs = 3000

/** What the caches of a store share. */
export interface Shared {
  readonly datastore: Datastore
  readonly clock: Clock
  readonly ticker: Ticker
  /** Other servers write to the datastore. */
  readonly shared: boolean
  /** Revision up to which changes have been applied. */
  revision(): Revision
  /** Resolves once changes up to `revision` have been applied. */
  reached(revision: Revision): Promise<void>
  waitFor(revision: Revision, signal: AbortSignal): Promise<void>
  fresh(): Promise<void>
}

/** A write under way: its bytes as sent and the object they were made from. */
interface OwnWrite {
  readonly value: Buffer
  readonly object: KubeObject
}

export class ResourceCache implements ResourceStore {
  readonly group: string
  readonly resource: string
  readonly prefix: string
  readonly #namespaced: boolean
  readonly #shared: Shared
  readonly #ring = new EventRing(0)
  readonly #watchers: Watchers
  readonly #own = new Map<Key, OwnWrite[]>()
  #table = new ObjectTable()
  /** Changes that arrive while the objects are being listed. */
  #early: Change[] | undefined
  #lastChange: Revision = 0
  /** While the objects are being listed anew: what the old ones are current for, and when the new ones are here. */
  #refilling: { readonly revision: Revision; readonly done: Promise<void> } | undefined
  #stopTrimming: (() => void) | undefined

  constructor(group: string, resource: string, namespaced: boolean, shared: Shared) {
    this.group = group
    this.resource = resource
    this.prefix = prefixOf(group, resource)
    this.#namespaced = namespaced
    this.#shared = shared
    this.#watchers = new Watchers(this.#ring, shared.ticker, () => this.revision)
  }

  get revision(): Revision {
    return this.#refilling?.revision ?? this.#shared.revision()
  }

  get shared(): boolean {
    return this.#shared.shared
  }

  /** Changes after `revision` are missing until `done`; what is here stays readable as of then. */
  refill(revision: Revision, done: Promise<void>): void {
    const refilling = { revision: this.revision < revision ? this.revision : revision, done }
    this.#refilling = refilling
    void done.then(() => {
      if (this.#refilling === refilling) this.#refilling = undefined
    })
  }

  /** Lists the resource from the datastore, replacing what is here; watchers end. Changes are to be applied meanwhile. */
  async load(): Promise<void> {
    this.#early = []
    const { table, revision } = await this.#listAll()
    await this.#shared.reached(revision)
    this.#table = table
    this.#ring.reset(revision)
    this.#lastChange = revision
    this.#watchers.endAll()
    const early = this.#early.filter(change => revisionOf(change) > revision)
    this.#early = undefined
    this.apply(early)
  }

  /** Takes over changes of this resource; returns their events, for `publish`. */
  apply(changes: readonly Change[]): readonly ChangeEvent[] {
    if (this.#early) {
      this.#early.push(...changes)
      return []
    }
    const events = changes.map(change => this.#applyOne(change))
    if (events.length === 0) return events
    this.#ring.push(events, this.#shared.clock.now())
    this.#lastChange = events.at(-1)!.stored.revision
    this.#stopTrimming ??= this.#shared.ticker.every(trimEveryMs, () => this.#trim())
    return events
  }

  publish(events: readonly ChangeEvent[]): void {
    if (events.length > 0) this.#watchers.publish(events)
  }

  close(): void {
    this.#watchers.close()
    this.#stopTrimming?.()
  }

  get(namespace: string, name: string): Stored | undefined {
    return this.#table.get(namespace, name)
  }

  all(namespace?: string): Iterable<Stored> {
    return this.#table.range(namespace)
  }

  async list(query: ListQuery): Promise<ListPage> {
    const { at = this.revision } = query
    if (at > this.revision) throw new FutureRevisionError(at, this.revision)
    if (at < this.#lastChange) return listAt(this.#shared.datastore, this.prefix, at, query)
    return pageOf(this.#table.range(query.namespace, query.after), at, query, this.#shared.clock)
  }

  watch(query: WatchQuery): AsyncIterable<readonly StoreEvent[]> {
    return {
      [Symbol.asyncIterator]: () =>
        query.after >= this.#ring.floor ? this.#watchers.open(query) : this.#watchFromLog(query),
    }
  }

  async create(object: KubeObject): Promise<Stored> {
    const [key, value] = [this.#keyOf(object.metadata.namespace, object.metadata.name), encode(object)]
    return this.#write({ op: 'create', key, value }, { value, object })
  }

  async update(object: KubeObject, expected: Revision): Promise<Stored> {
    const [key, value] = [this.#keyOf(object.metadata.namespace, object.metadata.name), encode(object)]
    return this.#write({ op: 'update', key, value, revision: expected }, { value, object })
  }

  async delete(namespace: string, name: string, expected: Revision): Promise<Stored> {
    return this.#write({ op: 'delete', key: this.#keyOf(namespace, name), revision: expected })
  }

  async waitFor(revision: Revision, signal: AbortSignal): Promise<void> {
    await this.#refilling?.done
    await this.#shared.waitFor(revision, signal)
  }

  async fresh(): Promise<void> {
    if (!this.#shared.shared) return
    await this.#shared.fresh()
    await this.#refilling?.done
  }

  async #write(write: Write, own?: OwnWrite): Promise<Stored> {
    const others = this.#own.get(write.key) ?? []
    if (own) this.#own.set(write.key, [...others, own])
    try {
      const last = write.op === 'delete' ? this.#at(write.key, write.revision) : undefined
      const revision = await this.#shared.datastore.commit(write)
      await this.#echo(revision)
      const event = this.#ring.at(revision)
      return event?.stored ?? this.#unseen(write, revision, own, last)
    } finally {
      const rest = this.#own.get(write.key)?.filter(other => other !== own) ?? []
      if (rest.length > 0) this.#own.set(write.key, rest)
      else this.#own.delete(write.key)
    }
  }

  /** Waits for a durable write to come back: for ever from a datastore of our own, some time where the way may be cut. */
  async #echo(revision: Revision): Promise<void> {
    const { shared, clock } = this.#shared
    if (revision <= this.#shared.revision()) return
    const reached = this.#shared.reached(revision)
    if (!shared) return reached
    const done = new AbortController()
    await Promise.race([reached, clock.sleep(echoMs, done.signal).catch(() => {})])
    done.abort()
  }

  /** A write that is durable, but that the cache has not shown or has missed. */
  #unseen(write: Write, revision: Revision, own?: OwnWrite, last?: StoredObject): Stored {
    if (write.op !== 'delete') return StoredObject.from(this.prefix, write.key, write.value, revision, own?.object)
    if (last) return last.at(revision)
    throw new UnavailableError('the deletion is done, but what it deleted has not been seen')
  }

  #at(key: Key, revision: Revision): StoredObject | undefined {
    const { namespace, name } = placeOf(key, this.prefix)
    const stored = this.#table.get(namespace, name)
    return stored?.revision === revision ? stored : undefined
  }

  #keyOf(namespace = '', name = ''): Key {
    if (name === '' || (namespace !== '') !== this.#namespaced) {
      throw new Error(`${this.prefix}: not a place for an object: namespace "${namespace}", name "${name}"`)
    }
    return prefixOf(this.group, this.resource, namespace) + name
  }

  #applyOne(change: Change): ChangeEvent {
    if (change.type === 'delete') {
      const { namespace, name } = placeOf(change.key, this.prefix)
      const last = this.#table.get(namespace, name) ?? this.#stored(change.previous)
      this.#table.delete(last)
      return { type: 'DELETED', stored: last.at(change.revision) }
    }
    const stored = this.#stored(change.entry)
    const previous = this.#table.get(stored.namespace, stored.name)
    this.#table.set(stored)
    return { type: previous ? 'MODIFIED' : 'ADDED', stored, previous }
  }

  #stored({ key, value, revision }: Entry): StoredObject {
    const own = this.#own.get(key)?.find(write => write.value === value || write.value.equals(value))
    return StoredObject.from(this.prefix, key, value, revision, own?.object)
  }

  async #listAll(): Promise<{ table: ObjectTable; revision: Revision }> {
    for (;;) {
      try {
        const table = new ObjectTable()
        let page = await this.#shared.datastore.read(this.prefix, { limit: loadPage })
        for (;;) {
          for (const entry of page.entries) table.set(this.#stored(entry))
          if (!page.more) return { table, revision: page.revision }
          const start = `${page.entries.at(-1)!.key}\0`
          page = await this.#shared.datastore.read(this.prefix, { limit: loadPage, at: page.revision, start })
        }
      } catch (error) {
        if (!(error instanceof CompactedError)) throw error
      }
    }
  }

  /** Changes older than the ring, from the datastore's log, then those in the ring. */
  async *#watchFromLog(query: WatchQuery): AsyncGenerator<readonly StoreEvent[], undefined> {
    const stop = new AbortController()
    const signal = AbortSignal.any([query.signal, stop.signal])
    const wanted = ({ stored }: ChangeEvent) => query.name === undefined || stored.name === query.name
    let after = query.after
    try {
      const prefix = prefixOf(this.group, this.resource, query.namespace)
      for await (const batch of this.#shared.datastore.watch(prefix, after, signal)) {
        after = batch.revision
        const events = batch.changes.map(change => this.#eventOf(change)).filter(wanted)
        if (events.length > 0) yield events
        if (after >= this.#ring.floor) break
      }
    } finally {
      stop.abort()
    }
    if (!query.signal.aborted) yield* this.#watchers.open({ ...query, after })
  }

  #eventOf(change: Change): ChangeEvent {
    const previous = change.previous && this.#stored(change.previous)
    if (change.type === 'delete') return { type: 'DELETED', stored: previous!.at(change.revision) }
    return { type: previous ? 'MODIFIED' : 'ADDED', stored: this.#stored(change.entry), previous }
  }

  #trim(): void {
    this.#ring.trim(this.#shared.clock.now())
    if (!this.#ring.empty) return
    this.#stopTrimming?.()
    this.#stopTrimming = undefined
  }
}

function revisionOf(change: Change): Revision {
  return change.type === 'put' ? change.entry.revision : change.revision
}
