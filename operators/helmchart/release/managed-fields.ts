/**
 * Hands the fields that a client-side Helm owns ("Update" entries of the manager helm) to its server-side self ("Apply"),
 * so that server-side apply may drop them later (client-go's util/csaupgrade).
 */
import type { ManagedFieldsEntry } from '../../../bootstrap/api/object.ts'
import { isMap, type JsonMap } from './three-way.ts'

export const manager = 'helm'

/** The entries after the hand-over; undefined when there is nothing to hand over. */
export function upgradedEntries(entries: readonly ManagedFieldsEntry[]): ManagedFieldsEntry[] | undefined {
  const ours = (entry: ManagedFieldsEntry) =>
    entry.manager === manager && entry.operation === 'Update' && !entry.subresource
  const first = entries.find(ours)
  if (!first) return undefined
  const applied =
    entries.find(entry => entry.manager === manager && entry.operation === 'Apply' && !entry.subresource) ?? first
  const same = entries.find(entry => ours(entry) && entry.apiVersion === applied.apiVersion)
  const fieldsV1 = same && same !== applied ? union(applied.fieldsV1, same.fieldsV1) : applied.fieldsV1
  return entries.flatMap(entry => {
    if (entry === applied) return [{ ...entry, operation: 'Apply', fieldsV1 }]
    return ours(entry) ? [] : [entry]
  })
}

/** FieldsV1 of two owners in one. */
function union(a: unknown, b: unknown): JsonMap {
  const left = isMap(a) ? a : {}
  const right = isMap(b) ? b : {}
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return Object.fromEntries(keys.map(key => [key, union(left[key], right[key])]))
}
