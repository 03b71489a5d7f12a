/** Shared, indexed caches of the API's objects. See informers.ts for the implementation. */
import type { KubeObject, ObjectKey } from '../api/object.ts'
import type { Resource } from './client.ts'

export interface Handlers<T> {
  added?(object: T): void
  updated?(object: T, old: T): void
  deleted?(object: T): void
}

/** A cache of all objects of one resource, kept current by list and watch. Objects are shared and read-only. */
export interface Informer<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>
  get(key: ObjectKey): T | undefined
  list(namespace?: string): readonly T[]
  /** Objects for which the index function `name` (registered by addIndex) yields `value`. */
  byIndex(name: string, value: string): readonly T[]
  addIndex(name: string, values: (object: T) => readonly string[]): void
  /** Calls back for every present object (as added) and then for every change, in order. Returns the unsubscriber. */
  subscribe(handlers: Handlers<T>): () => void
  readonly synced: boolean
  whenSynced(): Promise<void>
}

/** One informer per resource, namespace and selector, started on first use, shared by all who ask. */
export interface Informers {
  get<T extends KubeObject>(
    resource: Resource<T>,
    options?: { namespace?: string; fieldSelector?: string; labelSelector?: string },
  ): Informer<T>
  /** Stops and forgets the informers of a resource that no longer exists. */
  drop?(resource: Resource): void
}
