/** What changed between two states of an object, as field sets; unchanged parts cost a comparison and nothing else. */
import type { Schema } from '../../schema/schema.ts'
import { isObject, type JsonObject, jsonEqual } from '../json.ts'
import { emptySet, type FieldSet, nodeOf, sorted } from './field-set.ts'
import { fieldElement, itemElement, sameItem } from './path.ts'
import { childSchema, shapeOf, zeroOf } from './shape.ts'

/** Nodes of the compared value: which paths are there only afterwards, only before, or with another value. */
export interface Delta {
  readonly added?: FieldSet | undefined
  readonly removed?: FieldSet | undefined
  readonly modified?: FieldSet | undefined
}

type Nodes = { [element: string]: FieldSet }

class Collector {
  #added: Nodes | undefined
  #removed: Nodes | undefined
  #modified: Nodes | undefined

  put(element: string, delta: Delta): void {
    if (delta.added) (this.#added ??= {})[element] = delta.added
    if (delta.removed) (this.#removed ??= {})[element] = delta.removed
    if (delta.modified) (this.#modified ??= {})[element] = delta.modified
  }

  /** The delta of the parent, itself a gain or a loss when one side is absent. */
  delta(gained: boolean, lost: boolean): Delta | undefined {
    const added = nodeOf(gained, this.#added && sorted(this.#added))
    const removed = nodeOf(lost, this.#removed)
    if (!added && !removed && !this.#modified) return undefined
    return { added, removed, modified: this.#modified && sorted(this.#modified) }
  }
}

const loss: Delta = { removed: emptySet }
const change: Delta = { modified: emptySet }

const isAbsent = (value: unknown) => value === undefined || value === null

/** Compares two values of one schema; undefined when they are equal. An absent value is undefined or null. */
export function compare(before: unknown, after: unknown, schema: Schema): Delta | undefined {
  if (before === after) return undefined
  if (isAbsent(before)) return isAbsent(after) ? undefined : { added: nodesOf(after, schema) }
  const shape = shapeOf(schema, isAbsent(after) ? before : after)
  const differ = shape === 'items' ? compareItems : shape === 'fields' ? compareFields : undefined
  if (differ === undefined || !hasForm(before, shape) || !hasForm(after, shape) || (isBare(before) && isBare(after))) {
    if (isAbsent(after)) return loss
    return jsonEqual(before, after) ? undefined : change
  }
  return differ(before as never, after as never, schema)
}

/** The node of a value that is wholly new, as compare() finds it; most of what is compared when an object is created. */
function nodesOf(value: unknown, schema: Schema): FieldSet {
  const shape = shapeOf(schema, value)
  if (shape === 'leaf' || !hasForm(value, shape) || isBare(value)) return emptySet
  const children: Nodes = {}
  if (shape === 'items') {
    const item = schema.items ?? { type: 'any' }
    for (const one of value as readonly unknown[]) children[itemElement(schema, one)] = nodesOf(one, item)
  } else {
    const fields = value as JsonObject
    for (const name in fields) {
      const field = isAbsent(fields[name]) ? undefined : childSchema(schema, name)
      if (field !== undefined) children[fieldElement(name)] = nodesOf(fields[name], field)
    }
  }
  return nodeOf(true, sorted(children)) ?? emptySet
}

function hasForm(value: unknown, shape: 'fields' | 'items' | 'leaf'): boolean {
  return isAbsent(value) || (shape === 'items' ? Array.isArray(value) : isObject(value))
}

function isBare(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  for (const _ in value) return false
  return true
}

/** Compares the fields of two objects, except those in `skip`. */
export function compareFields(
  before: JsonObject | null | undefined,
  after: JsonObject | null | undefined,
  schema: Schema,
  skip?: ReadonlySet<string>,
): Delta | undefined {
  const found = new Collector()
  const visit = (name: string, old: unknown, now: unknown) => {
    if (old === now || skip?.has(name)) return
    const field = childSchema(schema, name)
    if (field === undefined) return
    const zero = before && after ? zeroOf(schema, name) : undefined
    const delta = compare(old ?? zero, now ?? zero, field)
    if (delta) found.put(fieldElement(name), delta)
  }
  for (const name in after) visit(name, before?.[name], after[name])
  for (const name in before) if (after?.[name] === undefined) visit(name, before[name], undefined)
  return found.delta(isAbsent(before), isAbsent(after))
}

function compareItems(
  before: readonly unknown[] | null | undefined,
  after: readonly unknown[] | null | undefined,
  schema: Schema,
): Delta | undefined {
  const found = new Collector()
  const item = schema.items ?? { type: 'any' }
  if (before && after && inStep(before, after, schema)) {
    for (const [index, old] of before.entries()) {
      const delta = compare(old, after[index], item)
      if (delta) found.put(itemElement(schema, old), delta)
    }
    return found.delta(false, false)
  }
  const rest = new Map<string, unknown>()
  for (const old of before ?? []) rest.set(itemElement(schema, old), old)
  for (const now of after ?? []) {
    const element = itemElement(schema, now)
    const delta = compare(rest.get(element), now, item)
    rest.delete(element)
    if (delta) found.put(element, delta)
  }
  for (const [element, old] of rest) {
    const delta = compare(old, undefined, item)
    if (delta) found.put(element, delta)
  }
  return found.delta(isAbsent(before), isAbsent(after))
}

function inStep(before: readonly unknown[], after: readonly unknown[], schema: Schema): boolean {
  return before.length === after.length && before.every((item, index) => sameItem(schema, item, after[index]))
}
