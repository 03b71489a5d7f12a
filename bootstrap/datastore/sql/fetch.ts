/** Rows to entries and changes; values too large to come along are fetched in portions. */
import type { Change, Entry, Revision } from '../datastore.ts'
import type { HistoryRow, LogConnection, Sized, VersionRow } from './log-connection.ts'

const portionBytes = 1024 * 1024

interface Large {
  readonly revision: Revision
  readonly size: number
}

/** The entries of the rows that are not deleted; undefined when one of them has been compacted away meanwhile. */
export async function entriesOf(
  connection: LogConnection,
  rows: readonly VersionRow[],
): Promise<readonly Entry[] | undefined> {
  const live = rows.filter(({ deleted }) => !deleted)
  const values = await largeValues(connection, live.filter(isLarge))
  const entries: Entry[] = []
  for (const { key, revision, createRevision, value: small } of live) {
    const value = small ?? values.get(revision)
    if (!value) return undefined
    entries.push({ key, value, revision, createRevision })
  }
  return entries
}

/** The rows as changes; one whose previous value is gone is a change without it. */
export async function changesOf(connection: LogConnection, rows: readonly HistoryRow[]): Promise<readonly Change[]> {
  const previous = rows.flatMap(row => row.previous ?? [])
  const values = await largeValues(connection, [...rows.filter(isLarge), ...previous.filter(isLarge)])
  return rows.map((row): Change => {
    const { key, revision, createRevision } = row
    const was = row.previous
    const old = was && (was.value ?? values.get(was.revision))
    const before = was && old && { key, value: old, revision: was.revision, createRevision: was.createRevision }
    if (row.deleted) return { type: 'delete', key, revision, previous: before ?? emptyBefore(row) }
    const value = row.value ?? values.get(revision) ?? Buffer.alloc(0)
    return { type: 'put', entry: { key, value, revision, createRevision }, previous: before }
  })
}

const isLarge = ({ value, size }: Sized) => value === undefined && size > 0

/** Only what was compacted in this very moment; the reader finds out from the head. */
function emptyBefore({ key, createRevision }: HistoryRow): Entry {
  return { key, value: Buffer.alloc(0), revision: createRevision, createRevision }
}

async function largeValues(connection: LogConnection, rows: readonly Large[]): Promise<ReadonlyMap<Revision, Buffer>> {
  const found = new Map<Revision, Buffer>()
  for (let next = 0; next < rows.length; ) {
    const wanted: Revision[] = []
    for (let bytes = 0; next < rows.length && bytes < portionBytes; next++) {
      wanted.push(rows[next]!.revision)
      bytes += rows[next]!.size
    }
    for (const [revision, value] of await connection.values(wanted)) found.set(revision, value)
  }
  return found
}
