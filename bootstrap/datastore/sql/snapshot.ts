/** Everything as of one revision, for a dump: read in portions on a connection that sees nothing newer. */
import { keyAfter, rangeOf } from '../common/key-range.ts'
import { type Entry, type Revision, UnavailableError } from '../datastore.ts'
import { entriesOf } from './fetch.ts'
import type { LogConnection, VersionRow } from './log-connection.ts'

/** A page is as many rows as are of about this size, going by the page before. */
const pageBytes = 512 * 1024
const pageRows = { least: 20, first: 50, most: 500 }
const portionBytes = 1024 * 1024

/** In key order. `connection` is frozen (LogConnection), else what is read may have been compacted. */
export async function* entriesAt(connection: LogConnection, at: Revision): AsyncGenerator<Entry> {
  let { start, end } = rangeOf('')
  for (let [more, limit] = [true, pageRows.first]; more; ) {
    const rows = await connection.versions({ start, end }, at, limit)
    for (const portion of portionsOf(rows)) {
      const entries = await entriesOf(connection, portion)
      if (!entries) throw new UnavailableError('what a snapshot reads was removed meanwhile')
      yield* entries
    }
    more = rows.length === limit
    const bytes = rows.reduce((sum, { size }) => sum + size, 1)
    limit = Math.min(pageRows.most, Math.max(pageRows.least, Math.floor((pageBytes * rows.length) / bytes)))
    start = keyAfter(rows.at(-1)?.key ?? start)
  }
}

function* portionsOf(rows: readonly VersionRow[]): Generator<readonly VersionRow[]> {
  let portion: VersionRow[] = []
  let bytes = 0
  for (const row of rows) {
    portion.push(row)
    bytes += row.size
    if (bytes < portionBytes) continue
    yield portion
    portion = []
    bytes = 0
  }
  yield portion
}
