/** Columns as both engines return them, and what they say. */
import type { Entry, Key } from '../datastore.ts'
import type { HistoryRow, VersionRow } from './log-connection.ts'

export type VersionColumns = [
  key: Buffer,
  revision: number,
  created: number,
  /** A number in MySQL. */
  deleted: boolean | number,
  size: number,
  value: Buffer | null,
]

export type HistoryColumns = [
  ...VersionColumns,
  batch: number,
  previous: number | null,
  previousCreated: number | null,
  previousSize: number | null,
  previousValue: Buffer | null,
]

/** Of an outer join: all there, or none. */
export type EntryColumns = [revision: number | null, created: number | null, value: Buffer | null]

/** A client whose values are views on what came over the wire has them copied: they would keep all of it. */
type Keep = (value: Buffer) => Buffer

export function versionOf(row: readonly [...VersionColumns], keep: Keep = asItIs): VersionRow {
  const [key, revision, createRevision, deleted, size, value] = row
  return {
    key: String(key),
    revision,
    createRevision,
    deleted: Boolean(deleted),
    size,
    value: value ? keep(value) : undefined,
  }
}

export function historyOf(row: HistoryColumns, keep: Keep = asItIs): HistoryRow {
  const [key, revision, created, deleted, size, value, batch, was, wasCreated, wasSize, wasValue] = row
  const previous =
    was === null || wasCreated === null || wasSize === null
      ? undefined
      : { revision: was, createRevision: wasCreated, size: wasSize, value: wasValue ? keep(wasValue) : undefined }
  return { ...versionOf([key, revision, created, deleted, size, value], keep), batch, previous }
}

export function entryOf(key: Key, columns: EntryColumns, keep: Keep = asItIs): Entry | undefined {
  const [revision, createRevision, value] = columns
  return revision === null || createRevision === null || value === null
    ? undefined
    : { key, value: keep(value), revision, createRevision }
}

const asItIs: Keep = value => value
