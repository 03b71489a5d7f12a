/** The entries of metadata.managedFields: reading, writing, and keeping their number bounded. */
import type { KubeObject, ManagedFieldsEntry } from '../../../api/object.ts'
import { emptySet, type FieldSet, isEmptySet, isFieldSet, union } from './field-set.ts'

export type Operation = 'Apply' | 'Update'

export interface Manager {
  readonly name: string
  readonly operation: Operation
  readonly apiVersion: string
  readonly subresource: string
  readonly time: string | undefined
  readonly set: FieldSet
}

/** How many Update entries an object keeps before the oldest are folded together; upstream's number. */
const maxUpdaters = 10

/** The managers of a list of entries; undefined when one of them is malformed. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] | undefined {
  const managers: Manager[] = []
  for (const entry of entries ?? []) {
    const { operation, fieldsType, fieldsV1 = emptySet } = entry
    if ((operation !== 'Apply' && operation !== 'Update') || fieldsType !== 'FieldsV1') return undefined
    managers.push({
      name: entry.manager ?? '',
      operation,
      apiVersion: entry.apiVersion ?? '',
      subresource: entry.subresource ?? '',
      time: entry.time,
      set: fieldsV1 as FieldSet,
    })
  }
  return managers
}

/** Like readManagers for entries a client sent, whose sets are checked too. */
export function readClientManagers(entries: readonly ManagedFieldsEntry[]): Manager[] | undefined {
  const sound = entries.every(({ fieldsV1 }) => fieldsV1 === undefined || isFieldSet(fieldsV1))
  return sound ? readManagers(entries) : undefined
}

/** Whether two entries are one manager: an applier is the same in every version, an updater is not. */
export function isSameManager(a: Omit<Manager, 'set' | 'time'>, b: Omit<Manager, 'set' | 'time'>): boolean {
  return (
    a.name === b.name &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  )
}

/** The object with these managers, or without managedFields when there are none. */
export function withManagers(object: KubeObject, managers: readonly Manager[]): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata
  const entries = capped(managers.filter(manager => !isEmptySet(manager.set)))
    .toSorted(byAge)
    .map(writeManager)
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: entries } }
}

function writeManager({ name, operation, apiVersion, time, set, subresource }: Manager): ManagedFieldsEntry {
  return {
    ...(name === '' ? {} : { manager: name }),
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: set,
    ...(subresource === '' ? {} : { subresource }),
  }
}

const orderOf = (manager: Manager) =>
  [manager.operation, manager.time ?? '', manager.name, manager.apiVersion, manager.subresource] as const

function byAge(a: Manager, b: Manager): number {
  const left = orderOf(a)
  const right = orderOf(b)
  for (const [index, text] of left.entries()) if (text !== right[index]) return text < right[index]! ? -1 : 1
  return 0
}

/** Folds the oldest updaters of each version into "ancient-changes" until no more than the maximum are left. */
function capped(managers: readonly Manager[]): readonly Manager[] {
  const updaters = managers.filter(manager => manager.operation === 'Update')
  if (updaters.length <= maxUpdaters) return managers
  let excess = updaters.length - maxUpdaters
  const oldest = new Map<string, Manager>()
  const kept = new Set(managers)
  for (const updater of updaters.toSorted(byAge)) {
    if (excess <= 0) break
    const bucket = oldest.get(updater.apiVersion)
    kept.delete(updater)
    if (bucket) {
      kept.delete(bucket)
      excess--
    }
    const merged = bucket
      ? { ...updater, name: 'ancient-changes', subresource: '', set: union(bucket.set, updater.set) }
      : updater
    kept.add(merged)
    oldest.set(updater.apiVersion, merged)
  }
  return [...kept]
}
