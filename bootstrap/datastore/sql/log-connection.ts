/** What a SQL engine does for the log: the operations of one connection to it. */
import type { Entry, Key, Revision, Write } from '../datastore.ts'

export interface Head {
  /** The newest revision there is. */
  readonly revision: Revision
  /** The oldest one that can still be read. */
  readonly compacted: Revision
}

/** Writes that go into the log together: in one transaction, in order, one per key. */
export interface Batch {
  /** Told apart by this from every other batch of every server: sending one again does not write it again. */
  readonly id: number
  /** A revision that was there before the batch was sent first. */
  readonly since: Revision
  readonly writes: readonly Write[]
}

/** What became of one write of a batch: its revision and what it superseded, or what was there instead. */
export type Outcome =
  | { readonly written: true; readonly entry: Omit<Entry, 'value'>; readonly previous: Entry | undefined }
  | { readonly written: false; readonly current: Entry | undefined }

/** Keys from `start` (inclusive) to `end` (exclusive). */
export interface Range {
  readonly start: Key
  readonly end: Key
}

/** A value that came along because it is small, or its length where it has to be fetched. */
export interface Sized {
  readonly value: Buffer | undefined
  readonly size: number
}

/** What a key was at some revision: also that it was deleted. */
export interface VersionRow extends Sized {
  readonly key: Key
  readonly revision: Revision
  readonly createRevision: Revision
  readonly deleted: boolean
}

export interface HistoryRow extends VersionRow {
  readonly batch: number
  /** What the row superseded, if that is still there. */
  readonly previous: (Sized & { readonly revision: Revision; readonly createRevision: Revision }) | undefined
}

/** Values up to this many bytes come along with their rows. */
export const smallValueBytes = 16 * 1024

/**
 * One connection. Calls run one after the other and reject with ConnectionError when the connection is gone, after which it
 * is of no more use, or with StatementError when the engine refused.
 */
export interface LogConnection {
  head(): Promise<Head>
  /** Runs while no other server's batch does. Revisions follow each other without a gap, in the order of the writes that pass. */
  append(batch: Batch): Promise<readonly Outcome[]>
  /** The newest row of each key of the range as of `at`, in key order, `limit` at most. */
  versions(range: Range, at: Revision, limit: number): Promise<readonly VersionRow[]>
  /** How many keys of the range live at `at`. */
  count(range: Range, at: Revision): Promise<number>
  /** Rows after `after` up to `through`, in revision order. */
  history(range: Range, after: Revision, through: Revision): Promise<readonly HistoryRow[]>
  /** Values by revision; one that is gone is missing. */
  values(revisions: readonly Revision[]): Promise<ReadonlyMap<Revision, Buffer>>
  /** The batch that wrote a revision, if its row is still there. */
  batchOf(revision: Revision): Promise<number | undefined>
  /** Forgets up to `rows` revisions of what `before` no longer shows; undefined while another server does. */
  compact(before: Revision, rows: number): Promise<Revision | undefined>
  /** From now on the connection shows the log as it is at this moment, and takes no writes; until it is closed. */
  freeze(): Promise<void>
  /** Calls back with every new head from now on; undefined where the engine cannot. */
  readonly listen: ((onHead: (revision: Revision) => void) => Promise<void>) | undefined
  /** Aborted when the connection is gone. */
  readonly gone: AbortSignal
  close(): Promise<void>
}

/** The connection could not be made, or broke: what was asked last may or may not have happened. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ConnectionError'
  }
}

/** The engine refused a statement, which therefore did nothing. */
export class StatementError extends Error {
  /** Whether the same may work in a moment: a dead lock, a lock held too long, a server about to stop. */
  readonly passing: boolean

  constructor(message: string, passing: boolean, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StatementError'
    this.passing = passing
  }
}
