/** The current objects of one resource, by name and in key order, namespace by namespace. */
import type { Key } from '../../datastore/datastore.ts'
import type { StoredObject } from './stored-object.ts'

interface Namespace {
  /** The namespace with the slash after it, as it stands in keys; what namespaces are ordered by. */
  readonly sortKey: string
  readonly byName: Map<string, StoredObject>
  readonly sorted: StoredObject[]
}

export class ObjectTable {
  readonly #namespaces = new Map<string, Namespace>()
  readonly #order: Namespace[] = []

  get(namespace: string, name: string): StoredObject | undefined {
    return this.#namespaces.get(namespace)?.byName.get(name)
  }

  set(stored: StoredObject): void {
    const { byName, sorted } = this.#namespace(stored.namespace)
    const index = firstAtLeast(sorted, stored.key)
    sorted.splice(index, byName.has(stored.name) ? 1 : 0, stored)
    byName.set(stored.name, stored)
  }

  delete(stored: StoredObject): void {
    const namespace = this.#namespaces.get(stored.namespace)
    if (!namespace?.byName.delete(stored.name)) return
    namespace.sorted.splice(firstAtLeast(namespace.sorted, stored.key), 1)
    if (namespace.sorted.length > 0) return
    this.#namespaces.delete(stored.namespace)
    this.#order.splice(this.#order.indexOf(namespace), 1)
  }

  /** The objects of one namespace, or of all ('' or undefined), with keys greater than `after`: a copy, in key order. */
  range(namespace = '', after?: Key): readonly StoredObject[] {
    const parts = namespace === '' ? this.#order : [this.#namespaces.get(namespace)].filter(part => part !== undefined)
    return parts.flatMap(({ sorted }) => {
      if (after === undefined) return sorted
      if (sorted.at(-1)!.key <= after) return []
      return sorted.slice(firstAtLeast(sorted, `${after}\0`))
    })
  }

  #namespace(name: string): Namespace {
    const found = this.#namespaces.get(name)
    if (found) return found
    const added: Namespace = { sortKey: `${name}/`, byName: new Map(), sorted: [] }
    this.#namespaces.set(name, added)
    const next = this.#order.findIndex(other => other.sortKey > added.sortKey)
    this.#order.splice(next < 0 ? this.#order.length : next, 0, added)
    return added
  }
}

/** Index of the first object whose key is `key` or greater. */
function firstAtLeast(sorted: readonly StoredObject[], key: Key): number {
  let low = 0
  let high = sorted.length
  if (high > 0 && sorted[high - 1]!.key < key) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return low
}
