/**
 * Informers: one list-and-watch loop per resource and selector. The loop is a state machine: it lists all pages, watches
 * from the list's version, resumes at the last version seen when the stream ends, and lists again when that is too old.
 */
import { isStatusError } from '../api/errors.ts'
import type { KubeObject, ObjectKey } from '../api/object.ts'
import { assertNever, keyOf } from '../api/object.ts'
import type { Client, Resource } from './client.ts'
import { backoffMs, type Clock } from './clock.ts'
import { IndexedStore } from './indexed-store.ts'
import type { Handlers, Informer, Informers } from './informer.ts'

export interface InformerEffects {
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
  readonly signal: AbortSignal
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** The longest pause between two attempts; 30 s. */
  readonly maxBackoffMs?: number
}

interface Selector {
  readonly namespace?: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
}

type State =
  | { readonly type: 'listing' }
  | { readonly type: 'watching'; readonly resourceVersion: string }
  | { readonly type: 'waiting'; readonly next: State; readonly error: unknown }

const pageSize = 500
const firstBackoffMs = 100
const usualMaxBackoffMs = 30_000
/** A stream that ends sooner than this without an event counts as a failure. */
const shortWatchMs = 1000

class WatchedInformer<T extends KubeObject> implements Informer<T> {
  readonly resource: Resource<T>
  synced = false
  readonly #client: Client
  readonly #selector: Selector
  readonly #effects: InformerEffects
  readonly #store = new IndexedStore<T>()
  readonly #handlers = new Set<Handlers<T>>()
  readonly #firstSync = Promise.withResolvers<void>()
  #failures = 0

  constructor(client: Client, resource: Resource<T>, selector: Selector, effects: InformerEffects) {
    this.#client = client
    this.resource = resource
    this.#selector = selector
    this.#effects = effects
    this.#firstSync.promise.catch(() => {})
  }

  get(key: ObjectKey): T | undefined {
    return this.#store.get(key)
  }

  list(namespace?: string): readonly T[] {
    return namespace === undefined ? this.#store.all() : this.#store.inNamespace(namespace)
  }

  byIndex(name: string, value: string): readonly T[] {
    return this.#store.byIndex(name, value)
  }

  addIndex(name: string, values: (object: T) => readonly string[]): void {
    this.#store.addIndex(name, values)
  }

  subscribe(handlers: Handlers<T>): () => void {
    this.#handlers.add(handlers)
    for (const object of this.#store.all()) this.#call(() => handlers.added?.(object))
    return () => this.#handlers.delete(handlers)
  }

  whenSynced(): Promise<void> {
    return this.#firstSync.promise
  }

  /** Runs until the signal aborts. */
  async run(): Promise<void> {
    const { signal } = this.#effects
    let state: State = { type: 'listing' }
    while (!signal.aborted) {
      try {
        state = await this.#step(state)
      } catch (error) {
        if (signal.aborted) break
        state = { type: 'waiting', next: afterFailure(state, error), error }
      }
    }
    this.#firstSync.reject(signal.reason)
  }

  async #step(state: State): Promise<State> {
    switch (state.type) {
      case 'listing':
        return { type: 'watching', resourceVersion: await this.#list() }
      case 'watching':
        return await this.#watch(state.resourceVersion)
      case 'waiting':
        await this.#backOff(state.error)
        return state.next
      default:
        return assertNever(state)
    }
  }

  async #list(): Promise<string> {
    const seen = new Set<ObjectKey>()
    const found: T[] = []
    let next: string | undefined
    let resourceVersion: string
    do {
      const page = await this.#client.list(this.resource, {
        ...this.#selector,
        limit: pageSize,
        ...(next === undefined ? {} : { continue: next }),
      })
      found.push(...page.items)
      resourceVersion = page.resourceVersion
      next = page.continue
    } while (next !== undefined && next !== '')
    for (const object of found) {
      seen.add(keyOf(object))
      this.#put(object)
    }
    for (const key of [...this.#store.keys()]) if (!seen.has(key)) this.#remove(key)
    this.#failures = 0
    this.synced = true
    this.#firstSync.resolve()
    return resourceVersion
  }

  async #watch(from: string): Promise<State> {
    const { clock, signal } = this.#effects
    const started = clock.now()
    let resourceVersion = from
    let events = 0
    try {
      const stream = this.#client.watch(this.resource, { ...this.#selector, resourceVersion }, signal)
      for await (const event of stream) {
        events++
        this.#failures = 0
        if (event.type === 'BOOKMARK') {
          resourceVersion = event.resourceVersion
          continue
        }
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion
        if (event.type === 'DELETED') this.#remove(keyOf(event.object), event.object)
        else this.#put(event.object)
      }
    } catch (error) {
      return { type: 'waiting', next: afterFailure({ type: 'watching', resourceVersion }, error), error }
    }
    const next: State = { type: 'watching', resourceVersion }
    if (events > 0 || clock.now() - started >= shortWatchMs) return next
    return { type: 'waiting', next, error: new Error('watch ended at once') }
  }

  async #backOff(error: unknown): Promise<void> {
    const { clock, log, random, signal, maxBackoffMs = usualMaxBackoffMs } = this.#effects
    if (signal.aborted) return
    const expired = isExpired(error)
    if (!expired) log.warn({ resource: this.resource.resource, error: String(error) }, 'watch interrupted')
    if (expired && this.#failures === 0) {
      this.#failures++
      return
    }
    await clock.sleep(backoffMs(this.#failures++, firstBackoffMs, maxBackoffMs, random), signal)
  }

  #put(object: T): void {
    const old = this.#store.get(keyOf(object))
    if (old && old.metadata.resourceVersion === object.metadata.resourceVersion) return
    this.#store.put(object)
    for (const handlers of this.#handlers) {
      // A new uid under the same name is another object: the end of the old one was missed.
      if (old && old.metadata.uid !== object.metadata.uid) {
        this.#call(() => handlers.deleted?.(old))
        this.#call(() => handlers.added?.(object))
      } else if (old) this.#call(() => handlers.updated?.(object, old))
      else this.#call(() => handlers.added?.(object))
    }
  }

  #remove(key: ObjectKey, last?: T): void {
    const old = this.#store.remove(key)
    if (!old) return
    for (const handlers of this.#handlers) this.#call(() => handlers.deleted?.(last ?? old))
  }

  #call(handler: () => void): void {
    try {
      handler()
    } catch (error) {
      this.#effects.log.warn({ resource: this.resource.resource, error: String(error) }, 'informer handler failed')
    }
  }
}

const isExpired = (error: unknown) => isStatusError(error) && error.code === 410

/** A version that is too old, or from another life of the server, means listing again; anything else resumes. */
function afterFailure(state: State, error: unknown): State {
  const tooLarge = isStatusError(error, 'Timeout') && error.message.includes('Too large resource version')
  return isExpired(error) || tooLarge ? { type: 'listing' } : state
}

/** Makes the shared informers of a client. Each starts on first use and runs until the signal aborts or it is dropped. */
export function createInformers(client: Client, effects: InformerEffects): Required<Informers> {
  const running = new Map<string, { informer: Informer; stop: AbortController }>()
  return {
    get<T extends KubeObject>(resource: Resource<T>, selector: Selector = {}) {
      const key = `${path(resource)}?${selector.namespace ?? ''}&${selector.fieldSelector ?? ''}&${selector.labelSelector ?? ''}`
      const known = running.get(key)
      if (known) return known.informer as unknown as Informer<T>
      const stop = new AbortController()
      const signal = AbortSignal.any([effects.signal, stop.signal])
      const informer = new WatchedInformer(client, resource, selector, { ...effects, signal })
      running.set(key, { informer: informer as unknown as Informer, stop })
      void informer.run()
      return informer
    },
    drop(resource) {
      for (const [key, { stop }] of running) {
        if (!key.startsWith(`${path(resource)}?`)) continue
        running.delete(key)
        stop.abort()
      }
    },
  }
}

const path = (resource: { group: string; version: string; resource: string }) =>
  `${resource.group}/${resource.version}/${resource.resource}`
