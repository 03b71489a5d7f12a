/** A second log in the same database server, filled for a restore and then exchanged for the one in use. */
import type { Datastore, Revision } from '../datastore.ts'

export interface Beside {
  /** The database in use, without its password. */
  readonly name: string
  /** Makes it empty, in place of one that was left there, and opens it: its first write gets the revision after `at`. */
  open(at: Revision): Promise<Datastore>
  /**
   * The log becomes the one in use, at once; what was in use is kept where the result says. Undefined where there is nothing
   * to exchange: it was done before.
   */
  exchange(suffix: string): Promise<string | undefined>
  /** Removes it where a restore comes to nothing. */
  drop(): Promise<void>
}

/** Sets where an empty log's revisions begin. */
export const beginAt = (at: Revision) => `UPDATE skiff_meta SET value = ${at} WHERE name IN ('revision', 'compacted')`
