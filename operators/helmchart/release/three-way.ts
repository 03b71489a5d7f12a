/**
 * Three-way strategic merge patches, as kubectl and Helm make them on the client: changes and additions come from
 * comparing what is wanted with what is live, deletions from comparing it with what was wanted before. What others added
 * to the live object stays.
 */
import { sameJson } from '../../../bootstrap/client/same.ts'
import type { PatchMeta } from './patch-meta.ts'

export type JsonMap = { readonly [key: string]: unknown }
type Patch = { [key: string]: unknown }

/** The patch that leads from `live` to `wanted`; empty when nothing is to be done. Throws when a list item lacks its key. */
export function threeWayPatch(before: JsonMap, wanted: JsonMap, live: JsonMap, meta: PatchMeta): Patch {
  return mapPatch(before, wanted, live, meta, false)
}

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapPatch(before: JsonMap, wanted: JsonMap, live: JsonMap, meta: PatchMeta, retainKeys: boolean): Patch {
  const patch: Patch = {}
  for (const [key, value] of Object.entries(wanted)) {
    if (!Object.hasOwn(live, key)) patch[key] = value
    else Object.assign(patch, memberPatch(key, before[key], value, live[key], meta.field(key)))
  }
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(wanted, key) && Object.hasOwn(live, key)) patch[key] = null
  }
  const retained = Object.keys(wanted).filter(key => wanted[key] !== null)
  const strangers = Object.keys(live).some(key => !Object.hasOwn(wanted, key))
  if (retainKeys && retained.length > 0 && (strangers || Object.keys(patch).length > 0))
    patch.$retainKeys = retained.sort()
  return patch
}

function memberPatch(key: string, before: unknown, wanted: unknown, live: unknown, meta: PatchMeta): Patch {
  if (isMap(wanted) && isMap(live)) {
    if (meta.replace) return sameJson(wanted, live) ? {} : { [key]: wanted }
    const patch = mapPatch(isMap(before) ? before : {}, wanted, live, meta, meta.retainKeys)
    return Object.keys(patch).length === 0 ? {} : { [key]: patch }
  }
  if (Array.isArray(wanted) && Array.isArray(live) && meta.merge)
    return listPatch(key, Array.isArray(before) ? before : [], wanted, live, meta)
  return sameJson(wanted, live) ? {} : { [key]: wanted }
}

function listPatch(
  key: string,
  before: readonly unknown[],
  wanted: readonly unknown[],
  live: readonly unknown[],
  meta: PatchMeta,
): Patch {
  const { mergeKey } = meta
  if (mergeKey === undefined) return scalarsPatch(key, before, wanted, live)
  const lists = [before, wanted, live].map(list => list.map(item => keyedItem(item, mergeKey)))
  const [old, next, current] = lists as [Item[], Item[], Item[]]
  // Items that share a key cannot be told apart by it: the whole list is replaced.
  if (lists.some(hasDoubles)) return sameJson(wanted, live) ? {} : { [key]: [...wanted, { $patch: 'replace' }] }
  const changes = next.flatMap(({ id, item }) => {
    const present = current.find(other => other.id === id)
    if (!present) return [item]
    const previous = old.find(other => other.id === id)?.item ?? {}
    const patch = mapPatch(previous, item, present.item, meta.item(), meta.retainKeys)
    return Object.keys(patch).length === 0 ? [] : [{ ...patch, [mergeKey]: item[mergeKey] }]
  })
  const gone = old.filter(({ id }) => !has(next, id) && has(current, id))
  const deletions = gone.map(({ item }) => ({ [mergeKey]: item[mergeKey], $patch: 'delete' }))
  const all = [...changes, ...deletions]
  const shared = current.filter(({ id }) => has(next, id)).map(({ id }) => id)
  const order = next.filter(({ id }) => has(current, id)).map(({ id }) => id)
  if (all.length === 0 && sameJson(shared, order)) return {}
  return {
    ...(all.length === 0 ? {} : { [key]: all }),
    [`$setElementOrder/${key}`]: next.map(({ item }) => ({ [mergeKey]: item[mergeKey] })),
  }
}

interface Item {
  /** The value of the merge key as text: 80 and "80" are one, as upstream has it. */
  readonly id: string
  readonly item: JsonMap
}

const has = (items: readonly Item[], id: string) => items.some(item => item.id === id)
const hasDoubles = (items: readonly Item[]) => new Set(items.map(({ id }) => id)).size < items.length

function keyedItem(item: unknown, mergeKey: string): Item {
  if (!isMap(item) || item[mergeKey] === undefined)
    throw new Error(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`)
  return { id: String(item[mergeKey]), item }
}

function scalarsPatch(
  key: string,
  before: readonly unknown[],
  wanted: readonly unknown[],
  live: readonly unknown[],
): Patch {
  const added = wanted.filter(value => !live.includes(value))
  const removed = [...new Set(before.filter(value => !wanted.includes(value) && live.includes(value)))]
  if (added.length === 0 && removed.length === 0) return {}
  return {
    ...(added.length === 0 ? {} : { [key]: added }),
    ...(removed.length === 0 ? {} : { [`$deleteFromPrimitiveList/${key}`]: removed }),
    [`$setElementOrder/${key}`]: wanted,
  }
}

/** The JSON merge patch (RFC 7386) from one document to another. */
export function mergePatch(from: JsonMap, to: JsonMap): Patch {
  const patch: Patch = {}
  for (const [key, value] of Object.entries(to)) {
    const old = from[key]
    if (isMap(value) && isMap(old)) {
      const inner = mergePatch(old, value)
      if (Object.keys(inner).length > 0) patch[key] = inner
    } else if (!sameJson(value, old)) patch[key] = value
  }
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) patch[key] = null
  return patch
}

/** The same three ways for kinds that have no merge rules: lists are replaced whole. */
export function threeWayMergePatch(before: JsonMap, wanted: JsonMap, live: JsonMap): Patch {
  const patch: Patch = {}
  for (const [key, value] of Object.entries(wanted)) {
    const current = live[key]
    if (isMap(value) && isMap(current)) {
      const old = before[key]
      const inner = threeWayMergePatch(isMap(old) ? old : {}, value, current)
      if (Object.keys(inner).length > 0) patch[key] = inner
    } else if (!sameJson(value, current)) patch[key] = value
  }
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(wanted, key) && Object.hasOwn(live, key)) patch[key] = null
  }
  return patch
}
