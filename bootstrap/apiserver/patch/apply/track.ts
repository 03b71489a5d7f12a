/** managedFields of ordinary writes: who created, updated or patched gets the fields that changed. */
import type { KubeObject } from '../../../api/object.ts'
import type { Schema } from '../../schema/schema.ts'
import type { JsonObject } from '../json.ts'
import { compareFields, type Delta } from './compare.ts'
import { difference, emptySet, type FieldSet, isEmptySet, setOfPaths, subtract, union } from './field-set.ts'
import {
  isSameManager,
  type Manager,
  type Operation,
  readClientManagers,
  readManagers,
  withManagers,
} from './managers.ts'
import { fieldElement } from './path.ts'
import { TypedError } from './shape.ts'

export interface TrackRequest {
  /** The stored object; undefined on create. */
  readonly live: KubeObject | undefined
  /** The object about to be stored. */
  readonly updated: KubeObject
  readonly schema: Schema
  readonly manager: string
  /** "status", "scale", ...; "" for the object itself. */
  readonly subresource: string
  readonly apiVersion: string
  /** RFC 3339. */
  readonly now: string
  /** Paths the kind's strategy resets on this endpoint, e.g. [["status"]]; nobody owns what is below them. */
  readonly resetFields?: readonly (readonly string[])[] | undefined
}

const unowned = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion',
])
const unownedAtRoot = new Set(['apiVersion', 'kind', 'metadata'])

/** What changed, leaving out what nobody owns. */
export function ownedDelta(live: KubeObject | undefined, updated: KubeObject, schema: Schema): Delta {
  const fields = compareFields(live ?? {}, updated, schema, unownedAtRoot)
  const metadataSchema = schema.properties?.metadata
  const metadata = metadataSchema && compareFields(metadataOf(live), metadataOf(updated), metadataSchema, unowned)
  if (!metadata) return fields ?? {}
  const under = (set: FieldSet | undefined, root: FieldSet | undefined) =>
    set === undefined ? root : { 'f:metadata': set, ...root }
  return {
    added: under(metadata.added, fields?.added),
    removed: under(metadata.removed, fields?.removed),
    modified: under(metadata.modified, fields?.modified),
  }
}

const metadataOf = (object: KubeObject | undefined) => (object?.metadata ?? {}) as JsonObject

/** A set without the paths nobody owns. */
export function ownedPart(set: FieldSet, resetFields: TrackRequest['resetFields']): FieldSet {
  return subtract(difference(set, unownedSet), resetSet(resetFields))
}

const unownedSet = setOfPaths([
  ...[...unownedAtRoot].map(name => [fieldElement(name)]),
  ...[...unowned].map(name => ['f:metadata', fieldElement(name)]),
])

export function resetSet(resetFields: TrackRequest['resetFields']): FieldSet {
  if (resetFields === undefined || resetFields.length === 0) return emptySet
  return setOfPaths(resetFields.map(path => path.map(fieldElement)))
}

/**
 * The updated object with metadata.managedFields brought up to date: the manager's Update entry gains what changed, the
 * others lose it. An object that is not tracked (no entries, not new) stays so. Entries are left as they are, times
 * included, when nothing that can be owned changed.
 */
export function trackUpdate(request: TrackRequest): KubeObject {
  const { live, updated, schema, resetFields } = request
  const managers = managersOf(request)
  if (managers.length === 0 && live !== undefined) return withManagers(updated, [])
  const delta = untyped(() => ownedDelta(live, updated, schema))
  if (delta === undefined) return withManagers(updated, managers)
  const ignored = resetSet(resetFields)
  const gained = subtract(union(delta.added ?? emptySet, delta.modified ?? emptySet), ignored)
  const lost = subtract(delta.removed ?? emptySet, ignored)
  return withManagers(updated, transfer(managers, gained, lost, ownerOf(request, 'Update'), request.now))
}

/** Objects whose lists cannot be keyed are written all the same, only not tracked; as upstream has it. */
function untyped<T>(walk: () => T): T | undefined {
  try {
    return walk()
  } catch (error) {
    if (error instanceof TypedError) return undefined
    throw error
  }
}

function ownerOf({ manager, apiVersion, subresource }: TrackRequest, operation: Operation) {
  return { name: manager, operation, apiVersion, subresource }
}

/** The entries to start from: the request's own where it sends some, else the stored ones; [] and [{}] ask to forget them. */
function managersOf({ live, updated, subresource }: TrackRequest): readonly Manager[] {
  const stored = () => readManagers(live?.metadata.managedFields) ?? []
  const sent = updated.metadata.managedFields
  if (subresource !== '' || sent === undefined || sent === null) return stored()
  if (sent === live?.metadata.managedFields) return stored()
  if (sent.length === 0 || (sent.length === 1 && Object.keys(sent[0]!).length === 0)) return []
  const read = readClientManagers(sent)
  return read === undefined || read.length === 0 ? stored() : read
}

/** Moves changed fields to their new owner. */
export function transfer(
  managers: readonly Manager[],
  gained: FieldSet,
  lost: FieldSet,
  owner: Omit<Manager, 'set' | 'time'>,
  now: string,
): readonly Manager[] {
  const gone = union(lost, gained)
  const mine = managers.find(manager => isSameManager(manager, owner))
  const others = managers.filter(manager => manager !== mine).map(manager => shrunk(manager, gone))
  if (mine && isEmptySet(gained)) return [...others, shrunk(mine, lost)]
  if (isEmptySet(gained)) return others
  const set = union(mine ? difference(mine.set, lost) : emptySet, gained)
  return [...others, { ...owner, time: now, set }]
}

function shrunk(manager: Manager, gone: FieldSet): Manager {
  const set = difference(manager.set, gone)
  return set === manager.set ? manager : { ...manager, set }
}
