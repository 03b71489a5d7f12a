/** Pages of a list: from the objects in memory, or from the datastore at an older revision. */
import { setImmediate } from 'node:timers/promises'
import type { Datastore, Key, Revision } from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'
import type { ListPage, ListQuery, Stored } from './store.ts'
import { StoredObject } from './stored-object.ts'

const checkEvery = 64
const sliceMs = 5
const readPage = 500

/** The page of `range` (in key order, as of `revision`) that the query asks for; yields while it filters. */
export async function pageOf(
  range: readonly Stored[],
  revision: Revision,
  query: ListQuery,
  clock: Clock,
): Promise<ListPage> {
  const { match, limit = Number.POSITIVE_INFINITY } = query
  if (!match) {
    const items = limit < range.length ? range.slice(0, limit) : range
    const remaining = range.length - items.length
    return { items, revision, continueAfter: remaining > 0 ? items.at(-1)!.key : undefined, remaining }
  }
  const items: Stored[] = []
  let scanned = 0
  for (let since = clock.now(); scanned < range.length && items.length < limit; scanned++) {
    const stored = range[scanned]!
    if (match(stored)) items.push(stored)
    if (scanned % checkEvery === 0 && clock.now() - since > sliceMs) {
      await setImmediate()
      since = clock.now()
    }
  }
  const continueAfter = scanned < range.length ? range[scanned - 1]!.key : undefined
  return { items, revision, continueAfter, remaining: undefined }
}

/** The same from the datastore. Throws CompactedError. */
export async function listAt(
  datastore: Datastore,
  prefix: string,
  at: Revision,
  { namespace = '', after, limit = Number.POSITIVE_INFINITY, match }: ListQuery,
): Promise<ListPage> {
  const items: Stored[] = []
  const range = namespace === '' ? prefix : `${prefix}${namespace}/`
  for (let last: Key | undefined = after; ; ) {
    const wanted = Math.min(readPage, match ? readPage : limit - items.length)
    const start = last === undefined ? {} : { start: `${last}\0` }
    const page = await datastore.read(range, { at, limit: wanted, ...start })
    for (const [i, { key, value, revision }] of page.entries.entries()) {
      const stored = StoredObject.from(prefix, key, value, revision)
      if (!match || match(stored)) items.push(stored)
      last = key
      const following = page.count - i - 1
      if (items.length >= limit && following > 0) {
        return { items, revision: at, continueAfter: key, remaining: match ? undefined : following }
      }
      if (items.length >= limit) break
    }
    if (!page.more) return { items, revision: at, continueAfter: undefined, remaining: match ? undefined : 0 }
  }
}
