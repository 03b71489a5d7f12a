/** CEL's types, for checking expressions before they are used and for choosing overloads while they run. */
import { Duration, isList, isMap, isOpaque, Optional, Timestamp, TypeValue, Uint, type Value } from './values.ts'

type Basic =
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null_type'
  | 'google.protobuf.Timestamp'
  | 'google.protobuf.Duration'

export type Type =
  | { readonly kind: 'dyn' }
  | { readonly kind: 'basic'; readonly name: Basic }
  | { readonly kind: 'list'; readonly element: Type }
  | { readonly kind: 'map'; readonly key: Type; readonly value: Type }
  | { readonly kind: 'optional'; readonly value: Type }
  | { readonly kind: 'type'; readonly of: Type }
  /** Stands for any type, the same one throughout an overload. */
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'opaque'; readonly name: string }
  /** Has exactly the fields it names. */
  | { readonly kind: 'object'; readonly name: string; field(name: string): Type | undefined }

const basic = (name: Basic): Type => ({ kind: 'basic', name })
export const dyn: Type = { kind: 'dyn' }
export const bool = basic('bool')
export const int = basic('int')
export const uint = basic('uint')
export const double = basic('double')
export const string = basic('string')
export const bytes = basic('bytes')
export const nullType = basic('null_type')
export const timestamp = basic('google.protobuf.Timestamp')
export const duration = basic('google.protobuf.Duration')
export const listOf = (element: Type): Type => ({ kind: 'list', element })
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'map', key, value })
export const optionalOf = (value: Type): Type => ({ kind: 'optional', value })
export const typeOf = (of: Type): Type => ({ kind: 'type', of })
export const opaque = (name: string): Type => ({ kind: 'opaque', name })
export const param = (name: string): Type => ({ kind: 'param', name })

/** As messages print a type: "list(string)". */
export function typeText(type: Type): string {
  switch (type.kind) {
    case 'dyn':
      return 'dyn'
    case 'basic':
    case 'opaque':
    case 'object':
      return type.name === 'null_type' ? 'null' : type.name
    case 'list':
      return `list(${typeText(type.element)})`
    case 'map':
      return `map(${typeText(type.key)}, ${typeText(type.value)})`
    case 'optional':
      return `optional_type(${typeText(type.value)})`
    case 'type':
      return `type(${typeText(type.of)})`
    case 'param':
      return type.name
  }
}

export type Bindings = Map<string, Type>

/** Whether a value of type `actual` may stand where `wanted` is asked for; type parameters are bound on the way. */
export function isAssignable(wanted: Type, actual: Type, bindings: Bindings): boolean {
  if (wanted.kind === 'param') return bind(wanted.name, actual, bindings)
  if (wanted.kind === 'dyn' || actual.kind === 'dyn' || actual.kind === 'param') return true
  switch (wanted.kind) {
    case 'basic':
      return actual.kind === 'basic' && actual.name === wanted.name
    case 'opaque':
      return actual.kind === 'opaque' && actual.name === wanted.name
    case 'object':
      return (actual.kind === 'object' && actual.name === wanted.name) || isNull(actual)
    case 'list':
      return actual.kind === 'list' && isAssignable(wanted.element, actual.element, bindings)
    case 'map':
      return (
        actual.kind === 'map' &&
        isAssignable(wanted.key, actual.key, bindings) &&
        isAssignable(wanted.value, actual.value, bindings)
      )
    case 'optional':
      return actual.kind === 'optional' && isAssignable(wanted.value, actual.value, bindings)
    case 'type':
      return actual.kind === 'type'
  }
}

const isNull = (type: Type) => type.kind === 'basic' && type.name === 'null_type'

function bind(name: string, actual: Type, bindings: Bindings): boolean {
  const bound = bindings.get(name)
  if (bound === undefined || bound.kind === 'dyn' || isNull(bound)) {
    bindings.set(name, actual)
    return true
  }
  if (isAssignable(bound, actual, bindings) || isNull(actual)) return true
  // The wider of the two, such as list(dyn) beside list(int).
  if (!isAssignable(actual, bound, bindings)) return false
  bindings.set(name, actual)
  return true
}

/** The type with its parameters replaced by what they were bound to. */
export function substitute(type: Type, bindings: Bindings): Type {
  switch (type.kind) {
    case 'param':
      return bindings.get(type.name) ?? dyn
    case 'list':
      return listOf(substitute(type.element, bindings))
    case 'map':
      return mapOf(substitute(type.key, bindings), substitute(type.value, bindings))
    case 'optional':
      return optionalOf(substitute(type.value, bindings))
    case 'type':
      return typeOf(substitute(type.of, bindings))
    default:
      return type
  }
}

/** The type of a list of values of these types. */
export function join(types: readonly Type[]): Type {
  const [first, ...rest] = types
  if (first === undefined) return dyn
  let joined = first
  for (const type of rest) {
    if (isAssignable(joined, type, new Map())) continue
    if (!isAssignable(type, joined, new Map())) return dyn
    joined = type
  }
  return joined
}

/** Whether a value is of a type, as far as choosing an overload needs to know. */
export function isOfType(type: Type, value: Value): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
      return true
    case 'basic':
      return isBasic(type.name, value)
    case 'list':
      return isList(value)
    case 'map':
    case 'object':
      return isMap(value)
    case 'optional':
      return value instanceof Optional
    case 'type':
      return value instanceof TypeValue
    case 'opaque':
      return isOpaque(value) && value.opaque === type.name
  }
}

function isBasic(name: Basic, value: Value): boolean {
  switch (name) {
    case 'bool':
      return typeof value === 'boolean'
    case 'int':
      return typeof value === 'bigint'
    case 'uint':
      return value instanceof Uint
    case 'double':
      return typeof value === 'number'
    case 'string':
      return typeof value === 'string'
    case 'bytes':
      return value instanceof Uint8Array
    case 'null_type':
      return value === null
    case 'google.protobuf.Timestamp':
      return value instanceof Timestamp
    case 'google.protobuf.Duration':
      return value instanceof Duration
  }
}
