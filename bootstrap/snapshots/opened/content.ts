import type { Entry, Revision } from '../../datastore/datastore.ts'

/** What an engine's file shows. */
export interface Content {
  readonly revision: Revision
  entries(): AsyncIterable<Entry>
  close(): Promise<void>
}
