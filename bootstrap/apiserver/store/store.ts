/**
 * The watch cache: every object as the bytes it was committed with, plus the recent events, over a Datastore.
 * Reads at the current revision never touch the datastore; a write is visible here before its promise resolves.
 */
import type { KubeObject } from '../../api/object.ts'
import type { Key, Revision } from '../../datastore/datastore.ts'

/** One stored object at one revision. `bytes` is complete JSON with metadata.resourceVersion in place. */
export interface Stored {
  readonly key: Key
  readonly bytes: Buffer
  readonly revision: Revision
  readonly namespace: string
  readonly name: string
  readonly labels: { readonly [key: string]: string }
  /** Parsed on first use and shared, read-only (deep-frozen under test). */
  readonly object: KubeObject
}

export interface ListQuery {
  readonly namespace?: string
  /** Filters, e.g. by selectors; called with the stored object. */
  readonly match?: (stored: Stored) => boolean
  readonly limit?: number
  /** Continue after this key (exclusive). */
  readonly after?: Key
  /** Exactly this revision instead of the current one; throws CompactedError or FutureRevisionError. */
  readonly at?: Revision
}

export interface ListPage {
  readonly items: readonly Stored[]
  readonly revision: Revision
  /** Key of the last item scanned when more follow. */
  readonly continueAfter: Key | undefined
  /** How many follow in the whole range; only known when no match was given. */
  readonly remaining: number | undefined
}

export type StoreEvent =
  | { readonly type: 'ADDED' | 'MODIFIED'; readonly stored: Stored; readonly previous: Stored | undefined }
  /** The last state, with the deletion's revision as its resourceVersion. */
  | { readonly type: 'DELETED'; readonly stored: Stored }
  /** No more changes up to this revision. */
  | { readonly type: 'BOOKMARK'; readonly revision: Revision }

export interface WatchQuery {
  readonly namespace?: string
  readonly name?: string
  /** Changes after this revision; throws CompactedError when too old. */
  readonly after: Revision
  readonly signal: AbortSignal
  /** Ask for a BOOKMARK roughly this often (ms); none when absent. */
  readonly bookmarkEveryMs?: number
  /** When it aborts, a BOOKMARK follows what has happened so far. */
  readonly bookmarkOn?: AbortSignal
  /** When it aborts, the watch ends after what has happened so far. */
  readonly finishOn?: AbortSignal
}

/** All objects of one stored resource ("/registry/<group>/<resource>/"). */
export interface ResourceStore {
  readonly group: string
  readonly resource: string
  /** Revision up to which this cache is current. */
  readonly revision: Revision
  /** Other servers write, too: what is here may lag behind what they have acknowledged. */
  readonly shared: boolean
  get(namespace: string, name: string): Stored | undefined
  list(query: ListQuery): Promise<ListPage>
  /** All current objects, synchronously, for in-process readers. */
  all(namespace?: string): Iterable<Stored>
  watch(query: WatchQuery): AsyncIterable<readonly StoreEvent[]>
  /** `object` without resourceVersion. Throws ConflictError when the name is taken. */
  create(object: KubeObject): Promise<Stored>
  /** Throws ConflictError when the current revision is not `expected`. */
  update(object: KubeObject, expected: Revision): Promise<Stored>
  /** Resolves with the last state at the deletion's revision. */
  delete(namespace: string, name: string, expected: Revision): Promise<Stored>
  /** Resolves once the cache has reached `revision`. */
  waitFor(revision: Revision, signal: AbortSignal): Promise<void>
  /**
   * Resolves once the cache shows every write that any server acknowledged before the call: at once where nobody else
   * writes. UnavailableError when that cannot be had in time.
   */
  fresh(): Promise<void>
}

export interface Store {
  /** The cache of a resource, filled on first use; `namespaced` decides the key's form. */
  resource(group: string, resource: string, namespaced: boolean): Promise<ResourceStore>
  /** The same, when it has been filled; while it is filled anew it shows what it showed before. */
  loaded(group: string, resource: string): ResourceStore | undefined
  revision(): Revision
  /** See ResourceStore. */
  readonly shared: boolean
  /** See ResourceStore; for all caches. */
  fresh(): Promise<void>
  /** The same, but undefined when the caches have been current not longer than this ago. */
  recent(maxAgeMs: number): Promise<void> | undefined
  /** Whether the datastore is followed. */
  ready(): boolean
  close(): Promise<void>
}
