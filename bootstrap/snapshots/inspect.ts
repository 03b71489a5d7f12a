/** What a file is, from its beginning. */
import { type Inspected, SnapshotError } from './snapshot.ts'

/** SnapshotError when the file cannot be read or is no snapshot. */
export async function inspect(file: string): Promise<Inspected> {
  throw new SnapshotError(`cannot inspect ${file}: not yet`)
}
