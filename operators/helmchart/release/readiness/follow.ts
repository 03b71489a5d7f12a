/** Keeps a picture of some objects current by list and watch, for as long as somebody waits for them. */
import { isNotFound, isStatusError } from '../../../../bootstrap/api/errors.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../../../../bootstrap/api/object.ts'
import type { ListOptions, Resource } from '../../../../bootstrap/client/client.ts'
import { backoffMs } from '../../../../bootstrap/client/clock.ts'
import type { EngineOptions } from '../context.ts'

export type Picture = ReadonlyMap<ObjectKey, KubeObject>

/**
 * Calls `changed` with the objects there are, at first and after every change, until the signal is aborted. A kind that is
 * not served has none. Rejects when the server refuses to tell.
 */
export async function follow(
  { client, clock, random = () => 0 }: Pick<EngineOptions, 'client' | 'clock' | 'random'>,
  resource: Resource,
  scope: Pick<ListOptions, 'namespace' | 'labelSelector'>,
  changed: (picture: Picture) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt++) {
    try {
      const { items, resourceVersion } = await client.list(resource, scope)
      const picture = new Map(items.map(item => [keyOf(item), item]))
      changed(picture)
      for await (const event of client.watch(resource, { ...scope, resourceVersion }, signal)) {
        attempt = 0
        if (event.type === 'BOOKMARK') continue
        if (event.type === 'DELETED') picture.delete(keyOf(event.object))
        else picture.set(keyOf(event.object), event.object)
        changed(picture)
      }
    } catch (error) {
      if (isStatusError(error, 'Forbidden') || isStatusError(error, 'Unauthorized')) throw error
      if (isNotFound(error)) changed(new Map())
    }
    await clock.sleep(backoffMs(attempt, 100, 5000, random), signal).catch(() => {})
  }
}
