/** How server-side apply sees a value: as one leaf, as named fields, as a map, or as items that are named by a key. */
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../json.ts'

export type Shape = 'leaf' | 'fields' | 'items'

/** A value that does not have its schema's form. */
export class TypedError extends Error {
  /** Path text, e.g. ".spec.replicas". */
  readonly path: string
  readonly detail: string

  constructor(path: string, detail: string) {
    super(path === '' ? detail : `${path}: ${detail}`)
    this.name = 'TypedError'
    this.path = path
    this.detail = detail
  }

  under(prefix: string): TypedError {
    return new TypedError(prefix + this.path, this.detail)
  }
}

/** What lies below preserved unknown fields: its form decides. */
const deduced: Schema = { type: 'any', preserveUnknownFields: true }

/** The shape of a value of a schema; free-form values count as maps where unknown fields are preserved. */
export function shapeOf(schema: Schema, value: unknown): Shape {
  switch (schema.type) {
    case 'object':
    case 'map':
      return schema.mapType === 'atomic' ? 'leaf' : 'fields'
    case 'array':
      return schema.listType === 'map' || schema.listType === 'set' ? 'items' : 'leaf'
    case 'any':
      return schema.preserveUnknownFields && isObject(value) ? 'fields' : 'leaf'
    default:
      return 'leaf'
  }
}

/** The schema of a field or map entry; undefined when there can be no such field. */
export function childSchema(schema: Schema, name: string): Schema | undefined {
  const known = schema.properties?.[name] ?? schema.additional
  if (known !== undefined) return known
  return schema.preserveUnknownFields || (schema.type !== 'object' && schema.type !== 'map') ? deduced : undefined
}

/** Declared fields always count as owned together with what is below them; map entries do not. */
export function isDeclared(schema: Schema, name: string): boolean {
  return schema.properties?.[name] !== undefined
}

/**
 * Structs that upstream's Go types hold by value: always there, so never gained or lost as such. Custom resources are
 * maps throughout and have only their metadata.
 */
const byValue = new Set(['metadata', 'spec', 'status', 'template', 'strategy', 'updateStrategy', 'jobTemplate'])

/** What a field holds when nothing set it: {} or [] for one that Go always writes, undefined for the others. */
export function zeroOf(schema: Schema, name: string): unknown {
  if (name === 'metadata') return {}
  const field = schema.name === undefined ? undefined : schema.properties?.[name]
  if (field?.type === 'array') return field.omitEmpty ? undefined : []
  return field?.type === 'object' && byValue.has(name) ? {} : undefined
}
