/** The objects of one informer by key, by namespace and by any registered index. */
import type { KubeObject, ObjectKey } from '../api/object.ts'
import { keyOf } from '../api/object.ts'

interface Index<T> {
  readonly values: (object: T) => readonly string[]
  readonly buckets: Map<string, Map<ObjectKey, T>>
}

export class IndexedStore<T extends KubeObject> {
  readonly #objects = new Map<ObjectKey, T>()
  readonly #indexes = new Map<string, Index<T>>()
  readonly #namespaces: Index<T> = {
    values: object => [object.metadata.namespace ?? ''],
    buckets: new Map(),
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key)
  }

  keys(): Iterable<ObjectKey> {
    return this.#objects.keys()
  }

  all(): readonly T[] {
    return [...this.#objects.values()]
  }

  inNamespace(namespace: string): readonly T[] {
    return [...(this.#namespaces.buckets.get(namespace)?.values() ?? [])]
  }

  /** Objects in the bucket `value` of the index `name`. Throws when no such index was added. */
  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name)
    if (!index) throw new Error(`no index "${name}"`)
    return [...(index.buckets.get(value)?.values() ?? [])]
  }

  /** Adding a name twice keeps the first function: informers are shared. */
  addIndex(name: string, values: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return
    const index: Index<T> = { values, buckets: new Map() }
    this.#indexes.set(name, index)
    for (const [key, object] of this.#objects) insert(index, key, object)
  }

  /** Stores the object and returns the one it replaces. */
  put(object: T): T | undefined {
    const key = keyOf(object)
    const old = this.#objects.get(key)
    this.#objects.set(key, object)
    for (const index of this.#all()) {
      if (old) evict(index, key, old)
      insert(index, key, object)
    }
    return old
  }

  /** Drops the object and returns it. */
  remove(key: ObjectKey): T | undefined {
    const old = this.#objects.get(key)
    if (!old) return undefined
    this.#objects.delete(key)
    for (const index of this.#all()) evict(index, key, old)
    return old
  }

  *#all(): Iterable<Index<T>> {
    yield this.#namespaces
    yield* this.#indexes.values()
  }
}

function insert<T>(index: Index<T>, key: ObjectKey, object: T): void {
  for (const value of index.values(object)) {
    let bucket = index.buckets.get(value)
    if (!bucket) index.buckets.set(value, (bucket = new Map()))
    bucket.set(key, object)
  }
}

function evict<T>(index: Index<T>, key: ObjectKey, object: T): void {
  for (const value of index.values(object)) {
    const bucket = index.buckets.get(value)
    bucket?.delete(key)
    if (bucket?.size === 0) index.buckets.delete(value)
  }
}
