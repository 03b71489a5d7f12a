/** Taking a snapshot: from the datastore through compression and encryption to a file that is there as a whole or not at all. */
import type { Datastore } from '../datastore/datastore.ts'
import { SnapshotError, type Taken, type TakeOptions } from './snapshot.ts'

/**
 * Writes a snapshot of what the datastore holds now, readable by its owner only, and durable once this resolves. Memory stays
 * constant, writes go on meanwhile. SnapshotError when it cannot be written or read (disk full, datastore away), the signal's
 * reason when aborted; then nothing is left of it.
 */
export async function takeSnapshot(_datastore: Datastore, options: TakeOptions): Promise<Taken> {
  throw new SnapshotError(`cannot take ${options.file}: not yet`)
}
