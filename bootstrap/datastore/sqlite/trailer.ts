/**
 * What follows an SQLite file in a snapshot: SQLite's own check does not notice a changed value. It takes the size of a database
 * from its first page, so a file with this behind it opens as it is.
 */
import { createHash } from 'node:crypto'

export const trailerMagic = Buffer.from('skiffsum')
/** The magic and a SHA-256 of the database. */
export const trailerBytes = trailerMagic.length + 32

/** The same bytes, then the trailer. */
export async function* withTrailer(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const piece of source) {
    hash.update(piece)
    yield piece
  }
  yield Buffer.concat([trailerMagic, hash.digest()])
}
