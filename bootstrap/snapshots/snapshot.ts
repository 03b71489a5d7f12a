/**
 * A snapshot is one file that holds everything a datastore held at one revision, in one of three forms, which may be compressed
 * and, over that, encrypted:
 *
 *     etcd     etcd's database and its checksum, as etcd itself streams and restores it (and K3s keeps it)
 *     sqlite   the SQLite file and a checksum: trailer.ts
 *     dump     keys and values of one revision, for what has no file of its own: dump.ts
 *     .zip     one entry with one of these, as K3s compresses: zip/
 *     .enc     any of these under a passphrase: encryption.ts
 *
 * Every form ends with a checksum of all of it, so what is cut off or damaged is found before anything is done with it.
 */
import type { Entry, Revision, SnapshotForm } from '../datastore/datastore.ts'

export type { SnapshotForm }

/** What is wrong with a snapshot, in one line that names the file: damaged, foreign, not to be written, wrong passphrase. */
export class SnapshotError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message.replace(/\s*\n\s*/g, ' ').trim(), options)
    this.name = 'SnapshotError'
  }
}

export interface TakeOptions {
  /** Where the snapshot is to be, in a folder that exists. Until it is whole there is nothing at this path. */
  readonly file: string
  /** A .zip with one entry. The name of the file is the caller's: see suffixOf. */
  readonly compress: boolean
  /** Encrypts. */
  readonly passphrase?: string | undefined
  readonly signal: AbortSignal
}

export interface Taken {
  /** Of the file. */
  readonly bytes: number
  /** Everything up to this revision is in it; of etcd it may hold a little more. */
  readonly revision: Revision
}

/** What a file is, from its first bytes; nothing of it is verified. */
export interface Inspected {
  /** Undefined for a .zip, which has to be opened to see. */
  readonly form: SnapshotForm | undefined
  readonly compressed: boolean
  readonly encrypted: boolean
}

export interface ReadOptions {
  /** Needed where the snapshot is encrypted, else ignored. */
  readonly passphrase?: string | undefined
  /** A folder that exists, for what has to be unpacked: files and folders of the opened snapshot's own, all gone after `close`. */
  readonly dir: string
  readonly signal: AbortSignal
  readonly programs: SnapshotPrograms
}

/** What is needed of etcd, for snapshots of etcd only: paths, or undefined where the program is not installed. */
export interface SnapshotPrograms {
  readonly etcd: () => Promise<string | undefined>
  /** What restores snapshots: etcdutl or, of etcd up to 3.5, etcdctl. */
  readonly etcdctl: () => Promise<string | undefined>
}

/** A snapshot whose checksum was found right. */
export interface OpenedSnapshot {
  readonly form: SnapshotForm
  /** The newest revision in it, as the cluster's clients saw it. */
  readonly revision: Revision
  /**
   * Every key of the cluster as of `revision`, in key order, revisions being those clients saw. What an engine keeps for itself
   * is left out (etcd's mark of compaction, the number Skiff adds to its revisions). SnapshotError where one cannot be read.
   */
  entries(): AsyncIterable<Entry>
  /**
   * The snapshot without compression and encryption: of etcd what `etcdctl snapshot restore` takes, of SQLite a database file
   * (without our checksum at its end, so it can become state.db by a rename). It is the snapshot itself where nothing had to
   * be unpacked, else a file in `dir` that goes with `close`, unless it was moved elsewhere.
   */
  readonly nativeFile: string
  close(): Promise<void>
}

export interface Verified {
  readonly form: SnapshotForm
  readonly revision: Revision
  /** How many keys the cluster had. */
  readonly keys: number
}

/** What a snapshot's name ends with: "", ".zip", ".enc" or ".zip.enc". */
export function suffixOf({ compress, encrypt }: { readonly compress: boolean; readonly encrypt: boolean }): string {
  return `${compress ? '.zip' : ''}${encrypt ? '.enc' : ''}`
}
