/**
 * Remembers an operator's own writes until the cache shows them, for operators whose next step depends on them.
 * Resource versions are numbers that grow with every write, which upstream promises since 1.35.
 */
import { type KubeObject, keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'

interface Write {
  readonly uid: string | undefined
  /** Undefined for a deletion. */
  readonly version: number | undefined
}

export class OwnWrites {
  readonly #writes = new Map<ObjectKey, Map<ObjectKey, Write>>()

  wrote(owner: ObjectKey, object: KubeObject): void {
    this.#of(owner).set(keyOf(object), { uid: object.metadata.uid, version: Number(object.metadata.resourceVersion) })
  }

  deleted(owner: ObjectKey, object: KubeObject): void {
    this.#of(owner).set(keyOf(object), { uid: object.metadata.uid, version: undefined })
  }

  /** Whether the cache shows all of the owner's writes. Where it does not, an event of the object is still to come. */
  seen<T extends KubeObject>(owner: ObjectKey, informer: Informer<T>): boolean {
    const writes = this.#writes.get(owner)
    if (!writes) return true
    for (const [key, write] of writes) if (isShown(write, informer.get(key))) writes.delete(key)
    if (writes.size > 0) return false
    this.#writes.delete(owner)
    return true
  }

  forget(owner: ObjectKey): void {
    this.#writes.delete(owner)
  }

  /** The object was deleted, by whomever: nothing more is to be expected of it. */
  gone(owner: ObjectKey, object: KubeObject): void {
    this.#writes.get(owner)?.delete(keyOf(object))
  }

  #of(owner: ObjectKey): Map<ObjectKey, Write> {
    let writes = this.#writes.get(owner)
    if (!writes) this.#writes.set(owner, (writes = new Map()))
    return writes
  }
}

function isShown(write: Write, cached: KubeObject | undefined): boolean {
  if (write.version === undefined) return cached?.metadata.uid !== write.uid
  return cached !== undefined && Number(cached.metadata.resourceVersion) >= write.version
}
