/** Opening a snapshot: unpacked and held against its checksum, then readable key by key. */
import { type OpenedSnapshot, type ReadOptions, SnapshotError } from './snapshot.ts'

/**
 * Resolves once the whole file has been read and its checksum found right. SnapshotError for what is damaged, cut off, no
 * snapshot, encrypted with another passphrase, or needs a program that is not installed; nothing is left in `dir` then.
 */
export async function openSnapshot(file: string, _options: ReadOptions): Promise<OpenedSnapshot> {
  throw new SnapshotError(`cannot open ${file}: not yet`)
}
