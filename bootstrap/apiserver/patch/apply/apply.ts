/** Server-side apply: merges a configuration, finds conflicts, and records who owns what. */
import { errors, failure } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject, type JsonObject } from '../json.ts'
import { type Conflict, conflictError } from './conflicts.ts'
import { fieldSetOf } from './extract.ts'
import {
  difference,
  emptySet,
  type FieldSet,
  intersection,
  isEmptySet,
  pathsOf,
  sameSet,
  subtract,
  union,
} from './field-set.ts'
import { hasLastApplied, lastAppliedSet, withLastApplied } from './last-applied.ts'
import { isSameManager, type Manager, readManagers, withManagers } from './managers.ts'
import { mergeConfig, removeDropped } from './merge.ts'
import { TypedError } from './shape.ts'
import { ownedDelta, ownedPart, resetSet, trackUpdate } from './track.ts'

export interface ApplyRequest {
  /** The stored object; undefined when apply is to create it. */
  readonly live: KubeObject | undefined
  /** The applied configuration. */
  readonly applied: JsonObject
  readonly schema: Schema
  readonly manager: string
  readonly force: boolean
  /** "status", ...; "" for the object itself. */
  readonly subresource: string
  readonly apiVersion: string
  /** RFC 3339. */
  readonly now: string
  /** Paths the kind's strategy resets on this endpoint, e.g. [["status"]]; nobody owns what is below them. */
  readonly resetFields?: readonly (readonly string[])[] | undefined
}

/** Client-side appliers move to server-side apply under this name, with their last applied configuration. */
const kubectl = 'kubectl'

/**
 * The object after the configuration is applied, managedFields included; entry times change only with their entry.
 * Throws 400 for a configuration that is no object or brings managedFields, 409 with one cause per conflict, 500 for
 * fields the schema does not know (all upstream's).
 */
export function applyPatch(request: ApplyRequest): KubeObject {
  const { live, manager } = request
  const config = configOf(request.applied, request.schema)
  const base = live ?? shell(config)
  const applied = apply({ ...request, base, config, managers: managersBefore(request) })
  if (manager !== kubectl || request.subresource !== '' || !hasLastApplied(applied)) return applied
  return withLastApplied(applied, config)
}

interface Application extends ApplyRequest {
  readonly base: KubeObject
  readonly config: KubeObject
  readonly managers: readonly Manager[]
}

function apply(application: Application): KubeObject {
  const { base, config, schema, managers, manager, subresource, apiVersion, now, resetFields } = application
  const owner = { name: manager, operation: 'Apply', apiVersion, subresource } as const
  const set = typed(config, () => fieldSetOf(config, schema))
  const mine = managers.find(other => isSameManager(other, owner))
  const others = managers.filter(other => other !== mine)
  const merged = mergeConfig(base, config, schema)
  const owned = others.reduce((all, other) => union(all, other.set), set)
  const object = (mine ? removeDropped(merged, mine.set, owned, schema) : merged) as KubeObject
  const delta = ownedDelta(base, object, schema)
  const ignored = resetSet(resetFields)
  const changed = subtract(union(delta.added ?? emptySet, delta.modified ?? emptySet), ignored)
  refuseConflicts(application, others, changed)
  const gone = union(delta.removed ?? emptySet, changed)
  const losers = others.map(other => ({ ...other, set: difference(other.set, gone) }))
  const ownedNow = ownedPart(set, resetFields)
  const same = isEmptySet(gone) && mine !== undefined && sameSet(mine.set, ownedNow) && mine.apiVersion === apiVersion
  return withManagers(object, [...losers, { ...owner, time: same ? mine.time : now, set: ownedNow }])
}

function refuseConflicts(application: Application, others: readonly Manager[], changed: FieldSet): void {
  if (application.force) return
  const found = others.flatMap(other => conflictsOf(other, intersection(other.set, changed)))
  if (found.length === 0) return
  const { manager, live, schema } = application
  const allowed = manager === kubectl && live ? lastAppliedSet(live, schema) : emptySet
  const left = found.filter(({ path }) => isEmptySet(intersection(nested(path), allowed)))
  if (left.length > 0) throw conflictError(left)
}

function conflictsOf(manager: Manager, set: FieldSet): Conflict[] {
  return [...pathsOf(set)].map(path => ({ manager, path }))
}

const nested = (path: readonly string[]) =>
  path.reduceRight<FieldSet>((node, element) => ({ [element]: node }), emptySet)

/** The configuration without nulls, which set nothing. */
function configOf(applied: unknown, schema: Schema): KubeObject {
  if (!isObject(applied)) throw errors.badRequest('invalid object type: the applied configuration must be an object')
  if (typeof applied.apiVersion !== 'string' || typeof applied.kind !== 'string') {
    throw errors.badRequest('invalid object type: apiVersion and kind must be set')
  }
  const { managedFields, ...metadata } = isObject(applied.metadata) ? applied.metadata : {}
  if (Array.isArray(managedFields) && managedFields.length > 0) {
    throw errors.badRequest('metadata.managedFields must be nil')
  }
  return withoutNulls({ ...applied, metadata }, schema) as KubeObject
}

function withoutNulls(value: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(value)) return value.map(item => withoutNulls(item, schema?.items))
  if (!isObject(value)) return value
  const fields = Object.entries(value).flatMap(([name, child]) => {
    const field = schema?.properties?.[name] ?? schema?.additional
    return child === null && field && !field.nullable ? [] : [[name, withoutNulls(child, field)]]
  })
  return Object.fromEntries(fields)
}

function shell({ apiVersion, kind }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: {} }
}

/** The stored managers; an object that has none belongs to "before-first-apply" as it stands. */
function managersBefore({ live, schema, now }: ApplyRequest): readonly Manager[] {
  if (live === undefined) return []
  const managers = readManagers(live.metadata.managedFields) ?? []
  if (managers.length > 0) return managers
  const tracked = trackUpdate({
    live: undefined,
    updated: withManagers(live, []),
    schema,
    manager: 'before-first-apply',
    subresource: '',
    apiVersion: live.apiVersion,
    now,
  })
  return readManagers(tracked.metadata.managedFields) ?? []
}

function typed<T>(config: KubeObject, walk: () => T): T {
  try {
    return walk()
  } catch (error) {
    if (!(error instanceof TypedError)) throw error
    const { namespace = '', name = '' } = config.metadata
    const subject = `(${namespace}/${name}; ${config.apiVersion}, Kind=${config.kind})`
    throw failure(500, '', `failed to create typed patch object ${subject}: ${error.message}`)
  }
}
