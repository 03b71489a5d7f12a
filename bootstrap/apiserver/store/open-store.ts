/** The store over a Datastore: one datastore watch feeds the caches of all resources. */
import {
  type Change,
  type ChangeBatch,
  CompactedError,
  type Datastore,
  type Revision,
  UnavailableError,
} from '../../datastore/datastore.ts'
import type { Clock, Logger } from '../../datastore/effects.ts'
import { Freshness } from './freshness.ts'
import { prefixOf, registryPrefix, resourcePrefixOf } from './keys.ts'
import { ResourceCache, type Shared } from './resource-cache.ts'
import type { ResourceStore, Store } from './store.ts'
import { Ticker } from './ticker.ts'

const retryMs = 500

export interface StoreOptions {
  readonly datastore: Datastore
  readonly clock: Clock
  readonly log?: Logger
}

/** Starts following the datastore. The datastore stays the caller's to close, after the store. */
export async function openStore(options: StoreOptions): Promise<Store> {
  return new CachedStore(options, await options.datastore.revision())
}

interface Waiter {
  readonly revision: Revision
  resolve(): void
  reject(error: Error): void
}

class CachedStore implements Store {
  readonly #datastore: Datastore
  readonly #clock: Clock
  readonly #log: Logger | undefined
  readonly #shared: Shared
  readonly #stop = new AbortController()
  readonly #caches = new Map<string, ResourceCache>()
  readonly #loading = new Map<string, Promise<ResourceCache>>()
  readonly #waiters = new Set<Waiter>()
  readonly #refills = new Map<ResourceCache, Promise<void>>()
  readonly #freshness: Freshness
  readonly #following: Promise<void>
  #rewatch = new AbortController()
  #revision: Revision
  #ready = true

  constructor({ datastore, clock, log }: StoreOptions, revision: Revision) {
    this.#datastore = datastore
    this.#clock = clock
    this.#log = log
    this.#revision = revision
    this.#freshness = new Freshness({
      clock,
      signal: this.#stop.signal,
      ask: () => datastore.revision(),
      revision: () => this.#revision,
      reached: awaited => this.#reached(awaited),
      stuck: () => this.#rewatch.abort(),
    })
    this.#shared = {
      datastore,
      shared: this.shared,
      fresh: () => this.fresh(),
      clock,
      ticker: new Ticker(clock, this.#stop.signal),
      revision: () => this.#revision,
      reached: awaited => this.#reached(awaited),
      waitFor: (awaited, signal) => this.#waitFor(awaited, signal),
    }
    this.#following = this.#follow()
  }

  revision(): Revision {
    return this.#revision
  }

  get shared(): boolean {
    return this.#datastore.exclusive !== true
  }

  fresh(): Promise<void> {
    return this.shared ? this.#freshness.fresh() : Promise.resolve()
  }

  recent(maxAgeMs: number): Promise<void> | undefined {
    return this.shared ? this.#freshness.recent(maxAgeMs) : undefined
  }

  ready(): boolean {
    return this.#ready && !this.#stop.signal.aborted
  }

  loaded(group: string, resource: string): ResourceStore | undefined {
    const prefix = prefixOf(group, resource)
    return this.#loading.has(prefix) ? undefined : this.#caches.get(prefix)
  }

  async resource(group: string, resource: string, namespaced: boolean): Promise<ResourceStore> {
    const prefix = prefixOf(group, resource)
    const found = this.#loading.get(prefix) ?? this.#caches.get(prefix)
    if (found) return found
    const loading = this.#load(new ResourceCache(group, resource, namespaced, this.#shared))
    this.#loading.set(prefix, loading)
    return loading
  }

  async close(): Promise<void> {
    this.#stop.abort()
    for (const cache of this.#caches.values()) cache.close()
    for (const waiter of this.#waiters) waiter.reject(closed())
    this.#waiters.clear()
    await this.#following
  }

  async #load(cache: ResourceCache): Promise<ResourceCache> {
    this.#caches.set(cache.prefix, cache)
    try {
      await cache.load()
    } catch (error) {
      this.#caches.delete(cache.prefix)
      throw error
    } finally {
      this.#loading.delete(cache.prefix)
    }
    return cache
  }

  /** Keeps the caches current until closed; reconnects where it stopped. */
  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#rewatch = new AbortController()
      try {
        await this.#datastore.revision()
        this.#ready = true
        const until = AbortSignal.any([signal, this.#rewatch.signal])
        for await (const batch of this.#datastore.watch(registryPrefix, this.#revision, until)) this.#apply(batch)
      } catch (error) {
        this.#ready = false
        if (!signal.aborted)
          this.#log?.warn({ component: 'store', error: String(error) }, 'the watch of the datastore broke')
        if (error instanceof CompactedError) await this.#startOver().catch(() => undefined)
      }
      await this.#pause()
    }
  }

  /** After missing changes that cannot be had any more: fills every cache anew. */
  async #startOver(): Promise<void> {
    const missedFrom = this.#revision
    this.#revision = await this.#datastore.revision()
    for (const cache of this.#caches.values()) {
      const refilled = this.#refill(cache, this.#refills.get(cache) ?? this.#loading.get(cache.prefix))
      this.#refills.set(cache, refilled)
      cache.refill(missedFrom, refilled)
    }
    this.#settleWaiters()
  }

  /** One filling after the other: each takes the changes that come meanwhile for itself. */
  async #refill(cache: ResourceCache, earlier: Promise<unknown> | undefined): Promise<void> {
    await earlier?.catch(() => undefined)
    while (!this.#stop.signal.aborted) {
      try {
        return await cache.load()
      } catch (error) {
        this.#log?.warn({ component: 'store', error: String(error) }, `cannot list ${cache.prefix}`)
        await this.#pause()
      }
    }
  }

  async #pause(): Promise<void> {
    await this.#clock.sleep(retryMs, this.#stop.signal).catch(() => undefined)
  }

  #apply({ changes, revision }: ChangeBatch): void {
    const byCache = new Map<ResourceCache, Change[]>()
    for (const change of changes) {
      const cache = this.#caches.get(resourcePrefixOf(change.type === 'put' ? change.entry.key : change.key))
      if (!cache) continue
      const list = byCache.get(cache)
      if (list) list.push(change)
      else byCache.set(cache, [change])
    }
    const applied = Array.from(byCache, ([cache, list]) => [cache, cache.apply(list)] as const)
    this.#revision = Math.max(this.#revision, revision)
    for (const [cache, events] of applied) cache.publish(events)
    this.#settleWaiters()
  }

  #settleWaiters(): void {
    for (const waiter of this.#waiters) {
      if (waiter.revision > this.#revision) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #reached(revision: Revision): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve()
    if (this.#stop.signal.aborted) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      this.#waiters.add({ revision, resolve, reject })
    })
  }

  #waitFor(revision: Revision, signal: AbortSignal): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve()
    if (this.#stop.signal.aborted) return Promise.reject(closed())
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const settled = (settle: () => void) => () => {
        signal.removeEventListener('abort', abort)
        settle()
      }
      const waiter: Waiter = { revision, resolve: settled(resolve), reject: error => settled(() => reject(error))() }
      const abort = () => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiters.add(waiter)
    })
  }
}

const closed = () => new UnavailableError('the store is closed')
