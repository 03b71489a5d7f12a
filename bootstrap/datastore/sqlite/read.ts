/** Reads and resumed watches, page by page through the writer thread at a fixed revision. */

import { keyAfter, rangeOf } from '../common/key-range.ts'
import type { Change, ChangeBatch, Entry, Key, Page, ReadOptions, Revision } from '../datastore.ts'
import { unpack } from './block.ts'
import type { History } from './log-file.ts'
import type { WriterClient } from './writer-client.ts'

const pageEntries = 500
const countStep = 5000
const historyStep = 500

/** Whether reads at this revision are still exact; checked before every page. */
export type Readable = (revision: Revision) => boolean

/** One page as of `at`, or undefined when that revision has been compacted meanwhile. */
export async function readAt(
  writer: WriterClient,
  prefix: string,
  at: Revision,
  options: ReadOptions,
  readable: Readable,
): Promise<Page | undefined> {
  const { end, start: first } = rangeOf(prefix)
  let start = options.start !== undefined && options.start > first ? options.start : first
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const entries: Entry[] = []
  for (let more = true; more && entries.length < limit; ) {
    if (!readable(at)) return undefined
    const page = await writer.call('entries', [{ start, end, at }, Math.min(pageEntries, limit - entries.length)])
    const values = unpack(page)
    for (let i = 0; i < values.length; i++) {
      const [key, revision, createRevision] = [page.keys[i]!, page.revisions[i]!, page.createRevisions[i]!]
      entries.push({ key, value: values[i]!, revision, createRevision })
    }
    more = page.more
    start = keyAfter(page.keys.at(-1) ?? start)
  }
  const following = entries.length < limit ? 0 : await countFrom(writer, { start, end, at }, readable)
  if (following === undefined) return undefined
  return { entries, revision: at, more: following > 0, count: entries.length + following }
}

/** Changes of keys under `prefix` after `after`, up to `through` at most; the answer says how far it reaches. */
export async function readHistory(
  writer: WriterClient,
  prefix: string,
  after: Revision,
  through: Revision,
): Promise<ChangeBatch> {
  const { start, end } = rangeOf(prefix)
  const upTo = Math.min(after + historyStep, through)
  return { changes: changesOf(await writer.call('history', [after, upTo, start, end])), revision: upTo }
}

async function countFrom(
  writer: WriterClient,
  range: { start: Key; end: Key; at: Revision },
  readable: Readable,
): Promise<number | undefined> {
  let count = 0
  let start = range.start
  for (;;) {
    if (!readable(range.at)) return undefined
    const page = await writer.call('count', [{ ...range, start }, countStep])
    count += page.count
    if (page.last === undefined || page.count < countStep) return count
    start = keyAfter(page.last)
  }
}

function changesOf(history: History): Change[] {
  const values = unpack(history)
  return history.rows.map((row, i) => {
    const { key, revision, createRevision } = row
    const previous: Entry | undefined =
      row.previous === 0
        ? undefined
        : { key, value: values[2 * i + 1]!, revision: row.previous, createRevision: row.previousCreated }
    return row.deleted
      ? { type: 'delete', key, revision, previous: previous! }
      : { type: 'put', entry: { key, value: values[2 * i]!, revision, createRevision }, previous }
  })
}
