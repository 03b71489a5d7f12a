/** Keeps an index current from a store: filled at once, then changed event by event. */
import type { KubeObject } from '../../api/object.ts'
import { CompactedError } from '../../datastore/datastore.ts'
import type { ResourceStore } from '../store/store.ts'

export interface Follower {
  /** Forgets what came from this store, before it is filled again. */
  clear(): void
  set(object: KubeObject): void
  delete(object: KubeObject): void
}

/** Fills the follower before it returns its promise, which settles when the signal aborts or the store fails. */
export async function followStore(store: ResourceStore, follower: Follower, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const after = store.revision
    follower.clear()
    for (const { object } of store.all()) follower.set(object)
    try {
      for await (const events of store.watch({ after, signal })) {
        for (const event of events) {
          if (event.type === 'DELETED') follower.delete(event.stored.object)
          else if (event.type !== 'BOOKMARK') follower.set(event.stored.object)
        }
      }
    } catch (error) {
      if (!(error instanceof CompactedError) && !signal.aborted) throw error
    }
  }
}
