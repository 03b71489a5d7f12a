/**
 * A datastore whose revisions are another one's, moved on. A cluster that came from SQLite has its number in etcd: etcd's own
 * revisions begin at 1, and resource versions must not go back for clients who have seen higher ones.
 */
import type { Writable } from 'node:stream'
import {
  type Change,
  type ChangeBatch,
  CompactedError,
  ConflictError,
  type Datastore,
  type Entry,
  FutureRevisionError,
  type Page,
  type ReadOptions,
  type Revision,
  type SnapshotInfo,
  type Write,
} from '../datastore.ts'

/** Where the number of revisions to add is kept, as decimal text. */
export const shiftKey = '/skiff/revision-shift'

export function shifted(store: Datastore, by: number): Datastore {
  const up = (revision: Revision): Revision => revision + by
  const down = (revision: Revision): Revision => Math.max(0, revision - by)
  const entry = (e: Entry): Entry => ({ ...e, revision: up(e.revision), createRevision: up(e.createRevision) })
  const change = (c: Change): Change =>
    c.type === 'put'
      ? { type: 'put', entry: entry(c.entry), previous: c.previous && entry(c.previous) }
      : { type: 'delete', key: c.key, revision: up(c.revision), previous: entry(c.previous) }

  /** The error as it would be with the moved revisions; `asked` is the caller's. */
  const moved = (error: unknown, asked: Revision, key: string): unknown => {
    if (error instanceof CompactedError) return new CompactedError(asked, up(error.oldest))
    if (error instanceof FutureRevisionError) return new FutureRevisionError(asked, up(error.current))
    if (error instanceof ConflictError) return new ConflictError(key, error.current && entry(error.current))
    return error
  }

  return {
    snapshotForm: store.snapshotForm,
    async read(prefix: string, options: ReadOptions = {}): Promise<Page> {
      const { at } = options
      // Before the first of its own revisions there is nothing to be had here.
      if (at !== undefined && at <= by) throw new CompactedError(at, by + 1)
      try {
        const page = await store.read(prefix, { ...options, ...(at === undefined ? {} : { at: down(at) }) })
        return { ...page, entries: page.entries.map(entry), revision: up(page.revision) }
      } catch (error) {
        throw moved(error, at ?? 0, '')
      }
    },
    async commit(write: Write): Promise<Revision> {
      try {
        return up(await store.commit(write.op === 'create' ? write : { ...write, revision: down(write.revision) }))
      } catch (error) {
        throw moved(error, 0, write.key)
      }
    },
    async *watch(prefix: string, after: Revision, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
      if (signal.aborted) return
      if (after < by) throw new CompactedError(after, by + 1)
      try {
        for await (const { changes, revision } of store.watch(prefix, down(after), signal))
          yield { changes: changes.map(change), revision: up(revision) }
      } catch (error) {
        throw moved(error, after, '')
      }
    },
    compact: (before: Revision) => store.compact(down(before)),
    async snapshot(to: Writable, signal: AbortSignal): Promise<SnapshotInfo> {
      const info = await store.snapshot(to, signal)
      return { ...info, revision: up(info.revision) }
    },
    health: () => store.health(),
    revision: async () => up(await store.revision()),
    close: () => store.close(),
  }
}
