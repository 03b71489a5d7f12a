/** The ordered, revisioned key-value log under the API server. One contract suite (contract.ts) holds every driver to it. */
import type { Writable } from 'node:stream'

/** Grows by one with every write; never goes back, not even over a crash. 0 is "nothing written yet". */
export type Revision = number

/** "/registry/<group>/<resource>[/<namespace>]/<name>" */
export type Key = string

export interface Entry {
  readonly key: Key
  readonly value: Buffer
  /** Revision of the write that produced this value. */
  readonly revision: Revision
  /** Revision of the write that created the key. */
  readonly createRevision: Revision
}

export interface Page {
  readonly entries: readonly Entry[]
  /** The revision the page shows: the one asked for, or the newest. */
  readonly revision: Revision
  /** More entries follow the last one of this page. */
  readonly more: boolean
  /** Entries under the prefix at that revision, from `start` on. */
  readonly count: number
}

export type Write =
  /** Fails with ConflictError when the key exists. */
  | { readonly op: 'create'; readonly key: Key; readonly value: Buffer }
  /** Fails with ConflictError when the key is not at `revision`. */
  | { readonly op: 'update'; readonly key: Key; readonly value: Buffer; readonly revision: Revision }
  /** Fails with ConflictError when the key is not at `revision`. */
  | { readonly op: 'delete'; readonly key: Key; readonly revision: Revision }

export type Change =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous: Entry | undefined }
  | { readonly type: 'delete'; readonly key: Key; readonly revision: Revision; readonly previous: Entry }

export interface ChangeBatch {
  /** In revision order; may be empty when only the revision moved. */
  readonly changes: readonly Change[]
  /** Everything up to this revision has been delivered. */
  readonly revision: Revision
}

export interface ReadOptions {
  readonly at?: Revision
  /** First key to return (inclusive). */
  readonly start?: Key
  readonly limit?: number
}

export interface SnapshotInfo {
  readonly revision: Revision
  readonly bytes: number
}

/** What a snapshot of a datastore is: etcd's own file, an SQLite file, or a dump of keys and values (bootstrap/snapshots/). */
export type SnapshotForm = 'etcd' | 'sqlite' | 'dump'

export type DatastoreHealth = { readonly ok: true } | { readonly ok: false; readonly reason: string }

export interface Datastore {
  /** Nobody but this process can write to it: whoever has seen the process's own writes has seen all. */
  readonly exclusive?: boolean
  readonly snapshotForm: SnapshotForm
  /** All keys that start with `prefix`, in key order, as of one revision. CompactedError when `at` is gone, FutureRevisionError when not yet written. */
  read(prefix: string, options?: ReadOptions): Promise<Page>
  /** Resolves with the write's own revision once it is durable; nobody sees it earlier. */
  commit(write: Write): Promise<Revision>
  /** Changes after `after`, for keys that start with `prefix`, until aborted. CompactedError when `after` is gone. */
  watch(prefix: string, after: Revision, signal: AbortSignal): AsyncIterable<ChangeBatch>
  /** Forgets superseded values older than `before`; runs in small steps. */
  compact(before: Revision): Promise<void>
  /**
   * Streams everything there is as of one revision, in `snapshotForm`, and ends `to`. Writes go on meanwhile. Rejects with what
   * `to` fails with, with the signal's reason, or with UnavailableError; then `to` is destroyed and nothing else is left.
   */
  snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo>
  health(): Promise<DatastoreHealth>
  /** Revision of the newest durable write. */
  revision(): Promise<Revision>
  close(): Promise<void>
}

/** The key was not in the state the write asked for; `current` is what was there then, or when somebody looked after that. */
export class ConflictError extends Error {
  readonly current: Entry | undefined

  constructor(key: Key, current: Entry | undefined) {
    super(`conflicting write to ${key}: ${current ? `at revision ${current.revision}` : 'no such key'}`)
    this.name = 'ConflictError'
    this.current = current
  }
}

/** The revision asked for has been compacted away; `oldest` is the oldest that can still be read. */
export class CompactedError extends Error {
  readonly oldest: Revision

  constructor(asked: Revision, oldest: Revision) {
    super(`revision ${asked} has been compacted, the oldest is ${oldest}`)
    this.name = 'CompactedError'
    this.oldest = oldest
  }
}

export class FutureRevisionError extends Error {
  readonly current: Revision

  constructor(asked: Revision, current: Revision) {
    super(`revision ${asked} is not written yet, the newest is ${current}`)
    this.name = 'FutureRevisionError'
    this.current = current
  }
}

/** The engine could not answer (disk full, database away); the write may or may not have happened. */
export class UnavailableError extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(`datastore unavailable: ${why}`, options)
    this.name = 'UnavailableError'
  }
}
