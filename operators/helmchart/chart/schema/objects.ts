/** Keywords about objects. */
import type { Json, Table } from '../tables.ts'
import { isTable } from '../tables.ts'
import type { Schema } from './document.ts'
import { quoted } from './failure.ts'
import { schemaPattern } from './patterns.ts'
import { bound } from './scalars.ts'
import { applyHere, applyToName, applyToPart, fail, note, type Task } from './task.ts'

export function checkObject(task: Task, value: Table): void {
  const { minProperties, maxProperties, required } = task.schema
  const size = Object.keys(value).length
  if (typeof minProperties === 'number' && size < minProperties) fail(task, bound('minProperties', size, minProperties))
  if (typeof maxProperties === 'number' && size > maxProperties) fail(task, bound('maxProperties', size, maxProperties))
  const missing = missingOf(value, required)
  if (missing.length > 0)
    fail(task, missing.length === 1 ? `missing property ${list(missing)}` : `missing properties ${list(missing)}`)
  checkDependencies(task, value)
  checkProperties(task, value)
  if (task.draft >= 6) checkNames(task, value)
  if (task.draft >= 7) checkDependents(task, value)
}

function missingOf(value: Table, names: unknown): string[] {
  if (!Array.isArray(names)) return []
  return names.filter((name): name is string => typeof name === 'string' && !Object.hasOwn(value, name))
}

const list = (names: readonly string[]): string => names.map(quoted).join(', ')

/** Before draft 2019: what a property asks for, as names or as a schema. */
function checkDependencies(task: Task, value: Table): void {
  for (const [name, dependency] of entriesOf(task.schema.dependencies)) {
    if (!Object.hasOwn(value, name)) continue
    if (Array.isArray(dependency)) requireWith(task, value, name, dependency)
    else note(task, applyHere(task, dependency as Schema))
  }
}

function checkDependents(task: Task, value: Table): void {
  const { dependentSchemas, dependentRequired } = task.schema
  if (task.draft < 2019) return
  for (const [name, schema] of entriesOf(dependentSchemas))
    if (Object.hasOwn(value, name)) note(task, applyHere(task, schema as Schema))
  for (const [name, names] of entriesOf(dependentRequired))
    if (Object.hasOwn(value, name)) requireWith(task, value, name, names)
}

function requireWith(task: Task, value: Table, name: string, names: unknown): void {
  const missing = missingOf(value, names)
  if (missing.length > 0) fail(task, `properties ${list(missing)} required, if ${quoted(name)} exists`)
}

function checkProperties(task: Task, value: Table): void {
  const { properties, patternProperties, additionalProperties: additional } = task.schema
  const patterns = entriesOf(patternProperties).map(([source, schema]) => [schemaPattern(source), schema] as const)
  const refused: string[] = []
  for (const name of Object.keys(value).sort()) {
    const part = value[name] as Json
    const schemas = patterns.filter(([pattern]) => pattern.test(name)).map(([, schema]) => schema)
    if (isTable(properties) && Object.hasOwn(properties, name)) schemas.unshift(properties[name])
    for (const schema of schemas) note(task, applyToPart(task, schema as Schema, part, name))
    if (schemas.length === 0 && additional === undefined) continue
    task.unevaluated.properties.delete(name)
    if (schemas.length > 0) continue
    if (additional === false) refused.push(name)
    else note(task, applyToPart(task, additional as Schema, part, name))
  }
  if (refused.length > 0) fail(task, `additional properties ${list(refused)} not allowed`)
}

function checkNames(task: Task, value: Table): void {
  const { propertyNames } = task.schema
  if (propertyNames === undefined) return
  for (const name of Object.keys(value).sort()) {
    const causes = applyToName(task, propertyNames as Schema, name)
    if (causes.length > 0) task.failures.push({ at: [], text: `invalid propertyName ${quoted(name)}`, causes })
  }
}

function entriesOf(table: unknown): [string, unknown][] {
  return isTable(table) ? Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)) : []
}
