/** Registers as the clients of a check see them, whatever they are kept in. */
import type { Observed, Output } from './history.ts'
import type { Change } from './revisions.ts'

export interface Store {
  create(key: string, value: string): Promise<Output>
  update(key: string, value: string, expected: number): Promise<Output>
  remove(key: string, expected: number): Promise<Output>
  get(key: string): Promise<Observed | null>
  list(): Promise<{ readonly revision: number; readonly entries: ReadonlyMap<string, Observed> }>
  /** The newest revision, to watch from. */
  revision(): Promise<number>
  /**
   * Tells of changes after `after` until the connection ends, however it does; never rejects for that. `told` gets the
   * changes and the revision to go on from.
   */
  watch(after: number, told: (changes: readonly Change[], revision: number) => void, signal: AbortSignal): Promise<void>
}
