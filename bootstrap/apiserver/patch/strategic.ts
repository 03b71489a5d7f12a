/** Strategic merge patch; directives, order and failures of apimachinery's pkg/util/strategicpatch. */
import { errors, failure } from '../../api/errors.ts'
import type { Schema } from '../schema/schema.ts'
import type { JsonDraft, JsonObject } from './json.ts'
import { isObject, jsonEqual } from './json.ts'
import { unprocessablePatch } from './json-patch.ts'
import { keyed, orderLike, primitives } from './strategic-order.ts'

const directive = '$patch'
const retainKeys = '$retainKeys'
const elementOrder = '$setElementOrder/'
const deleteFromList = '$deleteFromPrimitiveList/'

const unknownSchema: Schema = { type: 'any' }

/**
 * The document with the patch merged in by the schema's strategies; neither argument changes.
 * Throws 400 for malformed directives, 422 for lists of lists and unlisted retained keys, 500 for unknown directives.
 */
export function strategicMergePatch(document: JsonObject, patch: unknown, schema: Schema): JsonDraft {
  if (!isObject(patch)) throw errors.badRequest('error decoding patch: a strategic merge patch must be an object')
  return mergeMap(document, patch, schema)
}

function mergeMap(original: JsonObject, patch: JsonObject, schema: Schema): JsonDraft {
  const kind = patch[directive]
  if (kind === 'replace') return withoutDirective(patch)
  if (kind === 'delete') return {}
  if (kind !== undefined && kind !== 'merge') throw unknownDirective(kind, patch)
  const merged: JsonDraft = { ...original }
  const rest: JsonDraft = withoutDirective(patch)
  retain(merged, rest)
  mergeOrdered(merged, rest, schema)
  for (const [key, value] of Object.entries(rest)) {
    if (key.startsWith(deleteFromList)) deletePrimitives(merged, key.slice(deleteFromList.length), value)
    else if (value === null) delete merged[key]
    else merged[key] = mergeValue(merged[key], value, fieldSchema(schema, key))
  }
  return merged
}

function mergeValue(original: unknown, value: unknown, schema: Schema): unknown {
  if (isObject(value)) {
    const replaces = schema.patchStrategy?.includes('replace') && isObject(original)
    return replaces ? value : mergeMap(isObject(original) ? original : {}, value, schema)
  }
  if (!Array.isArray(value) || !schema.patchStrategy?.includes('merge')) return value
  return mergeList(Array.isArray(original) ? original : [], value, schema)
}

function fieldSchema(schema: Schema, field: string): Schema {
  return schema.properties?.[field] ?? schema.additional ?? unknownSchema
}

function withoutDirective(patch: JsonObject): JsonDraft {
  const { [directive]: _, ...rest } = patch
  return rest
}

/** $retainKeys: clears the fields it does not list. */
function retain(merged: JsonDraft, patch: JsonDraft): void {
  const kept = patch[retainKeys]
  if (kept === undefined) return
  delete patch[retainKeys]
  if (!Array.isArray(kept)) throw errors.badRequest('invalid patch format of retainKeys')
  for (const [key, value] of Object.entries(patch)) {
    const isDirective = key.startsWith(deleteFromList) || key.startsWith(elementOrder)
    if (value !== null && !isDirective && !kept.includes(key)) throw unprocessablePatch()
  }
  for (const key of Object.keys(merged)) if (!kept.includes(key)) delete merged[key]
}

function deletePrimitives(merged: JsonDraft, field: string, values: unknown): void {
  if (!Array.isArray(values)) throw errors.badRequest('invalid patch format of primitive list')
  const current = merged[field]
  if (Array.isArray(current)) merged[field] = current.filter(item => !values.includes(item))
}

/** $setElementOrder: merges the list it names, then orders it; takes both out of the patch. */
function mergeOrdered(merged: JsonDraft, patch: JsonDraft, schema: Schema): void {
  for (const key of Object.keys(patch).filter(key => key.startsWith(elementOrder))) {
    const order = patch[key]
    delete patch[key]
    const field = key.slice(elementOrder.length)
    const changes = patch[field]
    const current = merged[field]
    if (!Array.isArray(order)) throw badOrder()
    const list = fieldSchema(schema, field)
    const identity = identityOf(list)
    if (Array.isArray(changes)) checkOrder(changes, order, identity)
    if (!Array.isArray(changes) && !Array.isArray(current)) continue
    const before = Array.isArray(current) ? current : []
    const after = Array.isArray(changes) ? (mergeValue(before, changes, list) as unknown[]) : before
    if (changes !== null) delete patch[field]
    merged[field] = orderLike(after, order, before, identity)
  }
}

const badOrder = () => errors.badRequest('invalid patch format of setElementOrder list')

/** What the patch sets must stand in the order list, in the same order. */
function checkOrder(
  changes: readonly unknown[],
  order: readonly unknown[],
  identity: (item: unknown) => unknown,
): void {
  let from = 0
  for (const item of changes) {
    if (isObject(item) && item[directive] !== undefined) continue
    const found = order.findIndex((other, index) => index >= from && identity(other) === identity(item))
    if (found < 0) throw badOrder()
    from = found + 1
  }
}

function identityOf(list: Schema): (item: unknown) => unknown {
  return list.patchMergeKey === undefined ? primitives : keyed(list.patchMergeKey)
}

function mergeList(original: readonly unknown[], patch: readonly unknown[], schema: Schema): unknown[] {
  if ([...original, ...patch].some(Array.isArray)) throw unprocessablePatch()
  if (!patch.some(isObject) && !original.some(isObject)) {
    return orderLike([...new Set([...original, ...patch])], patch, original, primitives)
  }
  const key = schema.patchMergeKey
  if (key === undefined) throw failure(500, '', `cannot merge lists without merge key for ${schema.name ?? 'list'}`)
  const { kept, changes } = applyListDirectives(original, patch, key)
  const merged = [...kept]
  for (const change of changes) {
    const index = merged.findIndex(item => isObject(item) && jsonEqual(item[key], change[key]))
    const target = index < 0 ? {} : (merged[index] as JsonObject)
    merged[index < 0 ? merged.length : index] = mergeMap(target, change, schema.items ?? unknownSchema)
  }
  return orderLike(merged, changes, kept, keyed(key))
}

/** Takes the elements with $patch out of a list patch and applies them to the original. */
function applyListDirectives(original: readonly unknown[], patch: readonly unknown[], key: string) {
  let kept = original
  let replaces = false
  const changes: JsonObject[] = []
  for (const item of patch) {
    if (!isObject(item)) throw errors.badRequest('invalid patch format of list')
    const kind = item[directive]
    if (kind === 'replace') replaces = true
    else if (kind === 'merge') throw failure(500, '', 'merging lists cannot yet be specified in the patch')
    else if (kind !== undefined && kind !== 'delete') throw unknownDirective(kind, item)
    else if (item[key] === undefined) throw missingKey(item, key)
    else if (kind === undefined) changes.push(item)
    else kept = kept.filter(other => !isObject(other) || !jsonEqual(other[key], item[key]))
  }
  return { kept: replaces ? [] : kept, changes }
}

const unknownDirective = (kind: unknown, item: JsonObject) =>
  failure(500, '', `unknown patch type: ${goText(kind)} in map: ${goText(item)}`)

const missingKey = (item: JsonObject, key: string) =>
  failure(500, '', `map: ${goText(item)} does not contain declared merge key: ${key}`)

/** A value as Go's %v prints it. */
function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`
  if (!isObject(value)) return value === null ? '<nil>' : String(value)
  const parts = Object.keys(value)
    .sort()
    .map(key => `${key}:${goText(value[key])}`)
  return `map[${parts.join(' ')}]`
}
