/**
 * Turns what an informer shows into events for handlers, one object at a time and level-triggered: changes that come while
 * a handler works are one event afterwards, and an event whose handler failed comes again with the object as it then is.
 */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import { metaOf, type ResourceEvent, ResourceEventType } from './resource.ts'

export type Handler = (event: ResourceEvent) => Promise<void>

export class Deliveries {
  readonly #id: string
  readonly #informer: Informer
  readonly #handler: Handler
  /** Objects as the handler last saw them. */
  readonly #seen = new Map<string, KubeObject>()

  constructor(id: string, informer: Informer, handler: Handler) {
    this.#id = id
    this.#informer = informer
    this.#handler = handler
  }

  /** Brings the handler up to date about one object; rejects as the handler does, and then it has not been told. */
  async deliver(key: string): Promise<void> {
    const seen = this.#seen.get(key)
    const now = this.#informer.get(key)
    if (seen && seen.metadata.uid !== now?.metadata.uid) {
      await this.#tell(ResourceEventType.Deleted, seen)
      this.#seen.delete(key)
    }
    if (!now) return
    const known = this.#seen.get(key)
    if (known?.metadata.resourceVersion === now.metadata.resourceVersion) return
    await this.#tell(known ? ResourceEventType.Modified : ResourceEventType.Added, now)
    this.#seen.set(key, now)
  }

  #tell(type: ResourceEventType, object: KubeObject): Promise<void> {
    return this.#handler({ type, meta: metaOf(this.#id, object), object: structuredClone(object) })
  }
}
