/** A revisioned object map with a change log, the storage of the in-memory client. */
import { errors } from '../../api/errors.ts'
import { deepFreeze, type KubeObject, keyOf, type ObjectKey } from '../../api/object.ts'
import type { Resource, WatchEvent } from '../client.ts'

export interface Change {
  readonly revision: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly path: string
  readonly object: KubeObject
  readonly old: KubeObject | undefined
}

export type Matches = (object: KubeObject) => boolean

/** "group/resource": objects are the same whatever version they are asked in. */
export const pathOf = (resource: Resource): string => `${resource.group}/${resource.resource}`

export class MemoryStore {
  revision = 0
  #oldest = 0
  #log: Change[] = []
  #paused = false
  readonly #objects = new Map<string, Map<ObjectKey, KubeObject>>()
  readonly #wakeups = new Set<() => void>()

  table(path: string): Map<ObjectKey, KubeObject> {
    let table = this.#objects.get(path)
    if (!table) this.#objects.set(path, (table = new Map()))
    return table
  }

  /** Stores the object at the next revision. */
  put<T extends KubeObject>(path: string, object: T): T {
    const table = this.table(path)
    const key = keyOf(object)
    const old = table.get(key)
    const stored = this.#stamp(object)
    table.set(key, stored)
    this.#append({ type: old ? 'MODIFIED' : 'ADDED', path, object: stored, old })
    return stored
  }

  /** Removes the object; watchers see its last state at the revision of the removal. */
  remove<T extends KubeObject>(path: string, object: T): T {
    const old = this.table(path).get(keyOf(object))
    this.table(path).delete(keyOf(object))
    const last = this.#stamp(object)
    this.#append({ type: 'DELETED', path, object: last, old })
    return last
  }

  /** Holds events back from watchers, so that their caches go stale. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#wake()
  }

  /** Forgets the change log: watches from before now on answer 410, running ones end with it. */
  compact(): void {
    this.#log = []
    this.#oldest = this.revision
    this.#wake()
  }

  async *watch(
    path: string,
    from: number,
    matches: Matches,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<KubeObject>> {
    let seen = from
    while (!signal.aborted) {
      if (seen < this.#oldest) throw errors.expired(`too old resource version: ${seen} (${this.#oldest})`)
      const next = this.#paused ? undefined : this.#log.find(change => change.revision > seen)
      if (!next) {
        await this.#change(signal)
        continue
      }
      seen = next.revision
      if (next.path !== path) continue
      const event = selected(next, matches)
      if (event) yield event
    }
  }

  #stamp<T extends KubeObject>(object: T): T {
    const revision = ++this.revision
    return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } })
  }

  #append(change: Omit<Change, 'revision'>): void {
    this.#log.push({ ...change, revision: this.revision })
    this.#wake()
  }

  #wake(): void {
    for (const wakeup of this.#wakeups) wakeup()
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const end = () => {
        this.#wakeups.delete(end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      this.#wakeups.add(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }
}

/** The event a selecting watcher sees: entering the selection is an addition, leaving it a deletion. */
function selected(change: Change, matches: Matches): WatchEvent<KubeObject> | undefined {
  const was = change.old !== undefined && matches(change.old)
  const is = change.type !== 'DELETED' && matches(change.object)
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: change.object }
  if (was) return { type: 'DELETED', object: change.object }
  return undefined
}
