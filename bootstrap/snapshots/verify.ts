/** The dry run of a restore: everything is read as a restore would read it. */
import { type ReadOptions, SnapshotError, type Verified } from './snapshot.ts'

/** Checksum, the engine's own check, and every key and value. SnapshotError in one line for what a restore would fail at. */
export async function verifySnapshot(file: string, _options: ReadOptions): Promise<Verified> {
  throw new SnapshotError(`cannot verify ${file}: not yet`)
}
