/** Keywords about arrays. */
import type { Schema } from './document.ts'
import type { Failure } from './failure.ts'
import { bound, isEqual } from './scalars.ts'
import { applyToPart, fail, note, type Task } from './task.ts'

export function checkArray(task: Task, value: readonly unknown[]): void {
  const { minItems, maxItems, uniqueItems } = task.schema
  if (typeof minItems === 'number' && value.length < minItems) fail(task, bound('minItems', value.length, minItems))
  if (typeof maxItems === 'number' && value.length > maxItems) fail(task, bound('maxItems', value.length, maxItems))
  if (uniqueItems === true) checkUnique(task, value)
  checkItems(task, value)
  if (task.draft >= 6 && task.schema.contains !== undefined) checkContains(task, value)
}

function checkUnique(task: Task, value: readonly unknown[]): void {
  for (const [first, item] of value.entries()) {
    const second = value.findIndex((other, at) => at > first && isEqual(item, other))
    if (second < 0) continue
    fail(task, `items at ${first} and ${second} are equal`)
    return
  }
}

/** Schemas by position, then one for the rest; their keywords changed their names with draft 2020. */
function checkItems(task: Task, value: readonly unknown[]): void {
  const { schema, draft } = task
  const positions = draft >= 2020 ? schema.prefixItems : schema.items
  const byPosition = Array.isArray(positions) ? (positions as Schema[]) : []
  const rest = draft >= 2020 ? schema.items : Array.isArray(schema.items) ? schema.additionalItems : schema.items
  const evaluated = rest === undefined ? byPosition.length : value.length
  for (let at = 0; at < evaluated; at++) task.unevaluated.items.delete(at)
  if (draft < 2020 && rest === false && byPosition.length > 0) {
    for (const [at, item] of value.slice(0, byPosition.length).entries())
      note(task, applyToPart(task, byPosition[at]!, item, at))
    if (value.length > byPosition.length)
      fail(task, `last ${value.length - byPosition.length} additionalItem(s) not allowed`)
    return
  }
  for (const [at, item] of value.slice(0, evaluated).entries()) {
    const own = byPosition[at]
    // The validator counts the items of the rest anew.
    if (own === undefined) note(task, applyToPart(task, rest as Schema, item, at - byPosition.length))
    else note(task, applyToPart(task, own, item, at))
  }
}

function checkContains(task: Task, value: readonly unknown[]): void {
  const { contains, minContains, maxContains } = task.schema
  const matched: number[] = []
  const causes: Failure[] = []
  for (const [at, item] of value.entries()) {
    const failure = applyToPart(task, contains as Schema, item, at)
    if (failure) causes.push(failure)
    else {
      matched.push(at)
      if (task.draft >= 2020) task.unevaluated.items.delete(at)
    }
  }
  const [least, most] = task.draft >= 2019 ? [minContains, maxContains] : []
  if (typeof least === 'number') {
    const found = matched.length === 0 ? 'none matched' : `matched ${matched.length} items at ${matched.join(' ')}`
    if (matched.length < least) fail(task, `min ${least} items required to match contains schema, but ${found}`, causes)
  } else if (matched.length === 0) fail(task, 'no items match contains schema', causes)
  if (typeof most === 'number' && matched.length > most)
    fail(
      task,
      `max ${most} items required to match contains schema, but matched ${matched.length} items at ${matched.join(' ')}`,
    )
}
