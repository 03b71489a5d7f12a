/** From a request body to an object of its type: strict findings, unknown fields dropped, values in their stored form. */
import { errors } from '../../api/errors.ts'
import { parseApiVersion } from '../../api/object.ts'
import { isTooDeep } from './depth.ts'
import { duplicateFields, unknownField } from './duplicates.ts'
import { schemaOf } from './models.ts'
import { decodeScalar, jsonTypeName, Mismatch } from './scalars.ts'
import type { Schema } from './schema.ts'

type Fields = { [field: string]: unknown }

const mostFindings = 100
const schemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps'

/**
 * Parses JSON text and finds fields given twice; without `findDuplicates` it only parses.
 * @throws StatusError 400 for text that is not JSON, or nested too deep
 */
export function parseJsonStrict(
  text: string,
  findDuplicates = true,
): { value: unknown; duplicates: string[]; positions?: ReadonlyMap<string, number> } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw errors.badRequest(`couldn't get version/kind; json parse error: ${(error as Error).message}`)
  }
  if (isTooDeep(text)) throw errors.badRequest("couldn't get version/kind; json parse error: exceeded max depth")
  return findDuplicates ? { value, ...duplicateFields(text, value) } : { value, duplicates: [] }
}

/** `unknown field "spec.foo"` for every field the schema does not know, case-sensitively, in document order. */
export function strictFindings(schema: Schema, object: unknown): string[] {
  return unknownFields(schema, object).map(unknownField)
}

/** Paths of the fields the schema does not know, like "spec.items[0].foo", in document order. */
export function unknownFields(schema: Schema, object: unknown): string[] {
  const found: string[] = []
  findUnknown(schema, object, [], found)
  return found
}

/** `path` holds the fields and indices from the root and is as it was when the call returns. */
function findUnknown(schema: Schema, value: unknown, path: (string | number)[], found: string[]): void {
  if (typeof value !== 'object' || value === null || found.length >= mostFindings) return
  if (Array.isArray(value)) {
    const items = itemSchema(schema)
    for (let index = 0; items && index < value.length; index++) {
      path.push(index)
      findUnknown(items, value[index], path, found)
      path.pop()
    }
    return
  }
  const walked = unionSchema(schema) ?? schema
  if (isFree(walked)) return
  for (const name of Object.keys(value)) {
    const known = fieldSchema(walked, name)
    path.push(name)
    if (known) findUnknown(known, (value as Fields)[name], path, found)
    else if (!walked.preserveUnknownFields) found.push(pathText(path))
    path.pop()
  }
}

function pathText(path: readonly (string | number)[]): string {
  return path
    .map(step => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1)
}

/** Free JSON, or a schema that says nothing about an object's fields. */
function isFree(schema: Schema): boolean {
  return schema.type === 'any' || (schema.type !== 'object' && schema.type !== 'map')
}

/** The schema of a field, if it is known. */
function fieldSchema(schema: Schema, name: string): Schema | undefined {
  return schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : schema.additional
}

/** What an object is where a type is "a schema or something else". */
function unionSchema(schema: Schema): Schema | undefined {
  return schema.type === 'any' && schema.name?.startsWith(`${schemaProps}Or`) ? schemaOf(schemaProps) : undefined
}

function itemSchema(schema: Schema): Schema | undefined {
  return schema.items ?? (schema.name === `${schemaProps}OrArray` ? schemaOf(schemaProps) : undefined)
}

/**
 * The object as its type has it: unknown fields, nulls and empty optional values dropped, whole numbers, canonical
 * quantities, UTC times. Custom types (nodes with `validation`) are only pruned. Parts that need no change are shared with the argument.
 * @throws StatusError 400 in upstream's words for a value of the wrong type
 */
export function coerce<T extends object>(schema: Schema, object: T): T {
  const walk = new Coercion()
  try {
    return walk.value(schema, object) as T
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error
    const { apiVersion, kind } = object as { apiVersion?: unknown; kind?: unknown }
    const name = typeof kind === 'string' && kind !== '' ? kind : shortName(schema)
    const version = typeof apiVersion === 'string' ? parseApiVersion(apiVersion).version : ''
    throw errors.badRequest(
      `${name} in version ${JSON.stringify(version)} cannot be handled as a ${name}: ${error.message}`,
    )
  }
}

class Coercion {
  /** The fields from the root, without indices, as Go's decoder reports them. */
  readonly #path: string[] = []
  #struct = ''

  value(schema: Schema, value: unknown): unknown {
    if (schema.validation !== undefined) return this.#pruned(schema, value)
    switch (schema.type) {
      case 'object':
        return this.#object(schema, value)
      case 'map':
        return this.#map(schema, value)
      case 'array':
        return this.#array(schema, value)
      case 'any':
        return this.#free(schema, value)
      default:
        return this.#scalar(schema, value)
    }
  }

  #object(schema: Schema, value: unknown): unknown {
    if (!isObject(value)) throw this.#mismatch(jsonTypeName(value), schema)
    const outer = this.#struct
    const properties = schema.properties ?? {}
    const struct = shortName(schema)
    const result = changed(value, (name, child) => {
      if (child === null || !Object.hasOwn(properties, name)) return undefined
      this.#struct = struct
      this.#path.push(name)
      const known = properties[name]!
      const coerced = this.value(known, child)
      const omitted = known.omitEmpty && isEmpty(coerced) && !this.#isManagers()
      this.#path.pop()
      return omitted ? undefined : coerced
    })
    this.#struct = outer
    return result
  }

  /** An empty metadata.managedFields says something: forget who owns what. */
  #isManagers(): boolean {
    return this.#path.length === 2 && this.#path[0] === 'metadata' && this.#path[1] === 'managedFields'
  }

  #map(schema: Schema, value: unknown): unknown {
    if (!isObject(value)) throw this.#mismatch(jsonTypeName(value), schema)
    const additional = schema.additional
    if (!additional) return value
    return changed(value, (_, child) => (child === null ? zeroOf(additional) : this.value(additional, child)))
  }

  #array(schema: Schema, value: unknown): unknown {
    if (!Array.isArray(value)) throw this.#mismatch(jsonTypeName(value), schema)
    const items = schema.items
    return items ? this.#list(items, value) : value
  }

  #list(items: Schema, value: readonly unknown[]): readonly unknown[] {
    let copy: unknown[] | undefined
    for (let index = 0; index < value.length; index++) {
      const item = value[index]
      const coerced = item === null ? zeroOf(items) : this.value(items, item)
      if (coerced !== item) (copy ??= [...value])[index] = coerced
    }
    return copy ?? value
  }

  #free(schema: Schema, value: unknown): unknown {
    const union = unionSchema(schema)
    if (!union || typeof value !== 'object' || value === null) return value
    if (!Array.isArray(value)) return this.value(union, value)
    const items = itemSchema(schema)
    return items ? this.#list(items, value) : value
  }

  #scalar(schema: Schema, value: unknown): unknown {
    try {
      return decodeScalar(schema, value)
    } catch (error) {
      if (error instanceof Mismatch && !error.complete) throw this.#mismatch(error.message, schema)
      throw error
    }
  }

  /** A node of a custom type: values are validated later, so only unknown fields go. */
  #pruned(schema: Schema, value: unknown): unknown {
    if (Array.isArray(value)) return schema.items ? this.#list(schema.items, value) : value
    if (!isObject(value) || isFree(schema)) return value
    return changed(value, (name, child) => {
      const known = fieldSchema(schema, name)
      if (!known) return schema.preserveUnknownFields ? child : undefined
      if (child === null) return known.validation === undefined ? undefined : null
      this.#path.push(name)
      const result = this.value(known, child)
      this.#path.pop()
      return result
    })
  }

  #mismatch(value: string, schema: Schema): Mismatch {
    const target =
      this.#path.length === 0
        ? `Go value of type ${goType(schema)}`
        : `Go struct field ${this.#struct}.${this.#path.join('.')} of type ${goType(schema)}`
    return new Mismatch(`json: cannot unmarshal ${value} into ${target}`, true)
  }
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object with every field passed through `to`, undefined (given or returned) dropping it; itself if that changes nothing. */
function changed(object: Fields, to: (name: string, value: unknown) => unknown): Fields {
  let copy: Fields | undefined
  for (const name of Object.keys(object)) {
    const value = object[name]
    const result = value === undefined ? undefined : to(name, value)
    if (result === value && value !== undefined) continue
    copy ??= { ...object }
    if (result === undefined) delete copy[name]
    else copy[name] = result
  }
  return copy ?? object
}

/** Whether Go's omitempty leaves the value out. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === '' || value === 0 || value === false
  if (Array.isArray(value)) return value.length === 0
  for (const _ in value) return false
  return true
}

/** What Go has where JSON gives null inside a list or map. */
function zeroOf(schema: Schema): unknown {
  if (schema.validation !== undefined) return null
  if (schema.type === 'string' || schema.type === 'bytes') return ''
  if (schema.type === 'integer' || schema.type === 'number' || schema.type === 'intOrString') return 0
  if (schema.type === 'boolean') return false
  if (schema.type === 'quantity') return '0'
  return schema.type === 'object' ? {} : null
}

const shortName = (schema: Schema) => schema.name?.slice(schema.name.lastIndexOf('.') + 1) ?? ''

/** Go's name of a type, e.g. "int32", "[]v1.Container", "map[string]string". */
function goType(schema: Schema): string {
  switch (schema.type) {
    case 'array':
      return `[]${schema.items ? goType(schema.items) : 'interface {}'}`
    case 'map':
      return `map[string]${schema.additional ? goType(schema.additional) : 'interface {}'}`
    case 'integer':
      return schema.format ?? 'int64'
    case 'number':
      return 'float64'
    case 'boolean':
      return 'bool'
    case 'bytes':
      return '[]uint8'
    case 'object':
      return schema.name?.split('.').slice(-2).join('.') ?? 'struct'
    case 'quantity':
      return 'resource.Quantity'
    default:
      return 'string'
  }
}
