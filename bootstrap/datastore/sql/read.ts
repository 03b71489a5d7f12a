/** Pages of the log as of one revision, and its history for watches that resume. */
import { keyAfter, rangeOf } from '../common/key-range.ts'
import {
  type ChangeBatch,
  CompactedError,
  type Entry,
  FutureRevisionError,
  type Page,
  type ReadOptions,
  type Revision,
} from '../datastore.ts'
import { changesOf, entriesOf } from './fetch.ts'
import type { LogConnection, Range } from './log-connection.ts'

const pageRows = 500
const historyRows = 500

/** One page; CompactedError when `at` is gone, FutureRevisionError when it is not there yet. */
export async function readPage(connection: LogConnection, prefix: string, options: ReadOptions): Promise<Page> {
  for (;;) {
    const head = await connection.head()
    const at = options.at ?? head.revision
    if (at > head.revision) throw new FutureRevisionError(at, head.revision)
    if (at < head.compacted) throw new CompactedError(at, head.compacted)
    const page = await readAt(connection, prefix, at, options)
    // Compaction says first what it is about to forget: what was read before it did so is whole.
    const { compacted } = await connection.head()
    if (page && at >= compacted) return page
    if (options.at !== undefined) throw new CompactedError(at, compacted)
  }
}

async function readAt(
  connection: LogConnection,
  prefix: string,
  at: Revision,
  options: ReadOptions,
): Promise<Page | undefined> {
  const range = from(rangeOf(prefix), options.start)
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const entries: Entry[] = []
  let { start } = range
  for (let more = true; more && entries.length < limit; ) {
    const wanted = Math.min(pageRows, limit - entries.length)
    const rows = await connection.versions({ ...range, start }, at, wanted)
    const found = await entriesOf(connection, rows)
    if (!found) return undefined
    entries.push(...found)
    more = rows.length === wanted
    if (rows.length > 0) start = keyAfter(rows.at(-1)!.key)
  }
  const following = entries.length < limit ? 0 : await connection.count({ ...range, start }, at)
  return { entries, revision: at, more: following > 0, count: entries.length + following }
}

/** Changes after `after`, up to `through` at most; the answer says how far it reaches. CompactedError. */
export async function readHistory(
  connection: LogConnection,
  prefix: string,
  after: Revision,
  through: Revision,
): Promise<ChangeBatch> {
  const upTo = Math.min(after + historyRows, through)
  const rows = await connection.history(rangeOf(prefix), after, upTo)
  const changes = await changesOf(connection, rows)
  const { compacted } = await connection.head()
  if (after < compacted) throw new CompactedError(after, compacted)
  return { changes, revision: upTo }
}

function from(range: Range, start: string | undefined): Range {
  return start !== undefined && start > range.start ? { ...range, start } : range
}
