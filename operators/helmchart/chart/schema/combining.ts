/** Keywords that combine schemas, references to schemas that depend on the way there, and what is left unevaluated. */
import { isTable, type Json } from '../tables.ts'
import type { Schema, SchemaObject } from './document.ts'
import type { Failure } from './failure.ts'
import { applyHere, applyToPart, fail, follow, note, referred, type Task } from './task.ts'

export function combine(task: Task): void {
  if (task.draft >= 2019) followDynamic(task)
  const { not, allOf, anyOf, oneOf } = task.schema
  if (not !== undefined && applyHere(task, not as Schema) === undefined) fail(task, "'not' failed")
  if (Array.isArray(allOf)) checkAllOf(task, allOf as Schema[])
  if (Array.isArray(anyOf)) checkAnyOf(task, anyOf as Schema[])
  if (Array.isArray(oneOf)) checkOneOf(task, oneOf as Schema[])
  if (task.draft >= 7) checkCondition(task)
  if (task.draft >= 2019) checkUnevaluated(task)
}

function checkAllOf(task: Task, schemas: readonly Schema[]): void {
  const causes = schemas.flatMap(schema => applyHere(task, schema) ?? [])
  if (causes.length > 0) fail(task, "'allOf' failed", causes)
}

/** All are tried while there is something left unevaluated, else the first that matches ends it. */
function checkAnyOf(task: Task, schemas: readonly Schema[]): void {
  const causes: Failure[] = []
  let matched = false
  for (const schema of schemas) {
    const failure = applyHere(task, schema)
    if (failure) causes.push(failure)
    else {
      matched = true
      if (task.unevaluated.properties.size + task.unevaluated.items.size === 0) return
    }
  }
  if (!matched && schemas.length > 0) fail(task, "'anyOf' failed", causes)
}

function checkOneOf(task: Task, schemas: readonly Schema[]): void {
  const causes: Failure[] = []
  let matched: number | undefined
  for (const [at, schema] of schemas.entries()) {
    const failure = applyHere(task, schema)
    if (failure) causes.push(failure)
    else if (matched === undefined) matched = at
    else {
      fail(task, `'oneOf' failed, subschemas ${matched}, ${at} matched`)
      return
    }
  }
  if (matched === undefined && schemas.length > 0) fail(task, "'oneOf' failed, none matched", causes)
}

function checkCondition(task: Task): void {
  const { if: condition, then: yes, else: no } = task.schema
  if (condition === undefined) return
  const branch = applyHere(task, condition as Schema) === undefined ? yes : no
  if (branch !== undefined) note(task, applyHere(task, branch as Schema))
}

/** $recursiveRef and $dynamicRef lead to the outermost schema on the way that has the anchor. */
function followDynamic(task: Task): void {
  const { $recursiveRef, $dynamicRef } = task.schema
  if (typeof $recursiveRef === 'string') note(task, followRecursive(task, $recursiveRef))
  if (task.draft >= 2020 && typeof $dynamicRef === 'string') note(task, followAnchor(task, $dynamicRef))
}

function followRecursive(task: Task, reference: string): Failure | undefined {
  const target = task.document.resolve(task.schema, reference)
  if (!isTable(target) || (target as SchemaObject).$recursiveAnchor !== true) return referred(task, target)
  return referred(task, outermost(task, schema => task.document.isRecursiveRoot(schema)) ?? target)
}

function followAnchor(task: Task, reference: string): Failure | undefined {
  const name = reference.slice(reference.indexOf('#') + 1)
  const target = task.document.resolve(task.schema, reference)
  if (!isTable(target) || (target as SchemaObject).$dynamicAnchor !== name) return follow(task, reference)
  return referred(task, outermost(task, schema => task.document.dynamicAnchor(schema, name)) ?? target)
}

function outermost(task: Task, find: (schema: SchemaObject) => Schema | undefined): Schema | undefined {
  let found: Schema | undefined
  for (let current: Task | undefined = task; current !== undefined; current = current.parent)
    found = find(current.schema) ?? found
  return found
}

function checkUnevaluated(task: Task): void {
  const { unevaluatedProperties, unevaluatedItems } = task.schema
  const { properties, items } = task.unevaluated
  if (isTable(task.value) && unevaluatedProperties !== undefined) {
    for (const name of [...properties].sort())
      note(task, applyToPart(task, unevaluatedProperties as Schema, task.value[name] as Json, name))
    properties.clear()
  }
  if (Array.isArray(task.value) && unevaluatedItems !== undefined) {
    for (const at of items) note(task, applyToPart(task, unevaluatedItems as Schema, task.value[at], at))
    items.clear()
  }
}
