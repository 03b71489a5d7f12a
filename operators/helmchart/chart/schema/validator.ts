/**
 * JSON Schema, drafts 4 to 2020-12, with the outcome and the words of the validator Helm uses (santhosh-tekuri/jsonschema):
 * what fails first hides the rest where it does so there.
 */
import { isTable } from '../tables.ts'
import { checkArray } from './arrays.ts'
import { combine } from './combining.ts'
import type { Schema, SchemaDocument, SchemaObject } from './document.ts'
import type { Failure } from './failure.ts'
import { checkObject } from './objects.ts'
import { checkConstant, checkEnum, checkFormat, checkNumber, checkString, checkType } from './scalars.ts'
import { follow, note, type Task, type Unevaluated } from './task.ts'

/** Everything that is wrong with `value`. Throws Error when the schema itself is broken. */
export function validate(document: SchemaDocument, value: unknown): readonly Failure[] {
  const failure = apply(document, document.root, value, [], undefined)
  if (failure === undefined) return []
  return failure.kind === 'group' ? failure.causes : [failure]
}

/** Values may be deep, schemas may refer to each other; more than this is a mistake. */
const deepest = 500

function apply(
  document: SchemaDocument,
  schema: Schema,
  value: unknown,
  at: readonly string[],
  parent: Task | undefined,
): Failure | undefined {
  if (typeof schema === 'boolean') return schema ? undefined : { at, text: 'false schema', causes: [] }
  const sameValue = parent !== undefined && parent.at === at && parent.value === value
  if (sameValue && isCycle(parent, schema, at))
    return {
      at,
      text: `references lead back to ${JSON.stringify(document.address)} causing reference cycle`,
      causes: [],
    }
  if (at.length > deepest) throw new Error('values are nested too deeply')
  const needed = sameValue && isOpen(parent.unevaluated)
  const task: Task = {
    document,
    schema,
    draft: document.draftOf(schema),
    value,
    at,
    parent,
    failures: [],
    unevaluated: initiallyOpen(schema, value, needed),
    apply: (inner, part, place, from) => apply(document, inner, part, place, from),
  }
  check(task)
  if (task.failures.length > 1) return { at, text: 'validation failed', causes: task.failures, kind: 'group' }
  if (task.failures.length === 0 && needed) closeWhatIsClosed(parent.unevaluated, task.unevaluated)
  return task.failures[0]
}

/** The same schema for the same value, reached again by references alone. */
function isCycle(parent: Task | undefined, schema: SchemaObject, at: readonly string[]): boolean {
  for (let task = parent; task !== undefined && task.at === at; task = task.parent)
    if (task.schema === schema) return true
  return false
}

/** A wrong type, constant, enum or format ends the matter; all else is gathered. */
function check(task: Task): void {
  const { schema, draft, value } = task
  const ignoresSiblings = draft < 2019 && typeof schema.$ref === 'string'
  // All but a constant, which the validator looks at first.
  for (const decide of ignoresSiblings ? [checkConstant] : [checkType, checkConstant, checkEnum, checkFormat]) {
    decide(task)
    if (task.failures.length > 0) return
  }
  if (typeof schema.$ref === 'string') {
    note(task, follow(task, schema.$ref))
    if (ignoresSiblings) return
  }
  if (isTable(value)) checkObject(task, value)
  else if (Array.isArray(value)) checkArray(task, value)
  else if (typeof value === 'string') checkString(task, value)
  else if (typeof value === 'number' || typeof value === 'bigint') checkNumber(task, value)
  combine(task)
}

function initiallyOpen(schema: SchemaObject, value: unknown, needed: boolean): Unevaluated {
  const properties = isTable(value) && (needed || schema.unevaluatedProperties !== undefined) ? Object.keys(value) : []
  const items = Array.isArray(value) && (needed || schema.unevaluatedItems !== undefined) ? [...value.keys()] : []
  return { properties: new Set(properties), items: new Set(items) }
}

function isOpen({ properties, items }: Unevaluated): boolean {
  return properties.size > 0 || items.size > 0
}

function closeWhatIsClosed(outer: Unevaluated, inner: Unevaluated): void {
  for (const name of outer.properties) if (!inner.properties.has(name)) outer.properties.delete(name)
  for (const index of outer.items) if (!inner.items.has(index)) outer.items.delete(index)
}
