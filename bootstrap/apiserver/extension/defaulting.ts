/** Defaults of a CRD's schema. */
import { isObject, type JsonDraft } from '../patch/json.ts'
import type { Schema } from '../schema/schema.ts'

/**
 * Fills what is absent with the schema's defaults, in place. A null where the schema allows none counts as absent and
 * goes if there is no default.
 */
export function applyDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(item, schema.items)
  } else if (isObject(value)) {
    defaultFields(value as JsonDraft, schema)
  }
}

function defaultFields(object: JsonDraft, schema: Schema): void {
  for (const name in schema.properties) {
    const field = schema.properties[name]!
    if (field.validation === undefined) continue
    settle(object, name, field)
    if (object[name] !== undefined) applyDefaults(object[name], field)
  }
  if (!schema.additional) return
  for (const name of Object.keys(object)) {
    if (schema.properties && Object.hasOwn(schema.properties, name)) continue
    settle(object, name, schema.additional)
    applyDefaults(object[name], schema.additional)
  }
}

function settle(object: JsonDraft, name: string, field: Schema): void {
  const current = object[name]
  if (current !== undefined && (current !== null || field.nullable)) return
  if (field.default !== undefined) object[name] = structuredClone(field.default)
  else if (current === null && field.type !== 'any') delete object[name]
}

const answers = new WeakMap<Schema, boolean>()

/** Whether any node of a schema has a default. */
export function hasDefaults(schema: Schema): boolean {
  let answer = answers.get(schema)
  if (answer === undefined) {
    const children = [...Object.values(schema.properties ?? {}), schema.additional, schema.items]
    answer = children.some(child => child?.validation && (child.default !== undefined || hasDefaults(child)))
    answers.set(schema, answer)
  }
  return answer
}
