/** The one way to the API for operators, the agent and the CLI. Two transports implement it: in-process and remote. */
import type { KubeObject } from '../api/object.ts'

/** A resource type as clients name it. `T` is the type of its objects. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** Only carries the type; never set. */
  readonly _type?: T
}

export interface ListOptions {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
  readonly resourceVersion?: string
}

export interface ListResult<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
  readonly continue: string | undefined
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

export interface WatchOptions {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly resourceVersion?: string
}

export interface WriteOptions {
  readonly fieldManager?: string
  readonly dryRun?: boolean
  /** What becomes of fields the type does not have; the server's default where left out. */
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict'
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'

export interface PatchOptions extends WriteOptions {
  readonly type: PatchType
  readonly subresource?: string
  /** Only with `apply`. */
  readonly force?: boolean
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan'
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
}

/** Where an object lives; `namespace` is left out for cluster-scoped resources. */
export interface Name {
  readonly name: string
  readonly namespace?: string | undefined
}

/**
 * Every method rejects with StatusError (api/errors.ts) on an API failure. Objects returned are read-only: use draftOf
 * before changing one.
 */
export interface Client {
  get<T extends KubeObject>(resource: Resource<T>, name: Name): Promise<T>
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<ListResult<T>>
  /** Ends normally when the server closes the stream; throws StatusError (410 Expired) when the version is too old. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>
  create<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options?: WriteOptions & { subresource?: string; name?: string },
  ): Promise<T>
  update<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    options?: WriteOptions & { subresource?: string },
  ): Promise<T>
  patch<T extends KubeObject>(resource: Resource<T>, name: Name, patch: unknown, options: PatchOptions): Promise<T>
  delete(resource: Resource, name: Name, options?: DeleteOptions): Promise<void>
  deleteCollection(resource: Resource, selector: ListOptions, options?: DeleteOptions): Promise<void>
  /** Escape hatch for paths that are no resource (discovery, /version, ...). Resolves with the JSON of the body, or its text. */
  raw(method: string, path: string, body?: unknown): Promise<unknown>
  /** The same transport acting as another user, e.g. "system:serviceaccount:kube-system:job-controller". */
  as(user: string, groups?: readonly string[]): Client
}
