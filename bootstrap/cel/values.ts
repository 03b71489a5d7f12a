/**
 * CEL's values in JavaScript: int is bigint, double is number, uint a class of its own; lists are arrays; maps and objects
 * share one interface, so that objects of the API need not be converted before they are looked at.
 */
import { CelError } from './errors.ts'

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | readonly Value[]
  | MapValue
  | Timestamp
  | Duration
  | TypeValue
  | Optional
  | Opaque

export class Uint {
  readonly value: bigint

  constructor(value: bigint) {
    this.value = value
  }
}

/** Nanoseconds since the epoch. */
export class Timestamp {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

/** What type(x) gives. */
export class TypeValue {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export class Optional {
  readonly value: Value | undefined

  constructor(value: Value | undefined) {
    this.value = value
  }
}

/** Values of libraries: quantities, addresses, URLs, ... */
export interface Opaque {
  readonly opaque: string
  equals(other: Opaque): boolean
}

/** A map, or an object with fields. */
export interface MapValue {
  readonly isMap: true
  /** For messages and type(): "map", or the name of an object's type. */
  readonly typeName: string
  readonly size: number
  get(key: Value): Value | undefined
  keys(): readonly Value[]
}

export function isMap(value: Value): value is MapValue {
  return typeof value === 'object' && value !== null && 'isMap' in value
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

export function isOpaque(value: Value): value is Opaque {
  return typeof value === 'object' && value !== null && 'opaque' in value
}

/** A map made by an expression. */
export class BuiltMap implements MapValue {
  readonly isMap = true
  readonly typeName = 'map'
  readonly #entries = new Map<string, readonly [Value, Value]>()

  /** Throws CelError for a key that is there already. */
  add(key: Value, value: Value): void {
    const text = keyText(key)
    if (text === undefined) throw new CelError('unsupported key type')
    if (this.#entries.has(text)) throw new CelError('Failed with repeated key')
    this.#entries.set(text, [key, value])
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Value): Value | undefined {
    const text = keyText(key)
    return text === undefined ? undefined : this.#entries.get(text)?.[1]
  }

  keys(): readonly Value[] {
    return [...this.#entries.values()].map(([key]) => key)
  }
}

/** Equal for keys that are equal; numbers of different types are the same key. undefined for what cannot be one. */
function keyText(key: Value): string | undefined {
  switch (typeof key) {
    case 'string':
      return `s${key}`
    case 'boolean':
      return `b${key}`
    case 'bigint':
      return `n${key}`
    case 'number':
      return Number.isInteger(key) ? `n${BigInt(key)}` : undefined
    default:
      return key instanceof Uint ? `n${key.value}` : undefined
  }
}

export function typeNameOf(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
    default:
      return objectTypeName(value)
  }
}

function objectTypeName(value: Exclude<Value, boolean | bigint | number | string>): string {
  if (value === null) return 'null_type'
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof TypeValue) return 'type'
  if (value instanceof Optional) return 'optional_type'
  if (isList(value)) return 'list'
  return isMap(value) ? value.typeName : value.opaque
}

export function isNumber(value: Value): value is bigint | number | Uint {
  return typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint
}

/** CEL's equality: numbers by their value whatever their type, values of other different types are unequal. */
export function equal(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b) === 0
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b)
  if (isList(a)) return isList(b) && a.length === b.length && a.every((one, index) => equal(one, b[index]!))
  if (isMap(a)) return isMap(b) && equalMaps(a, b)
  return isOpaque(a) && isOpaque(b) && a.opaque === b.opaque && a.equals(b)
}

function equalOptionals(a: Optional, b: Optional): boolean {
  if (a.value === undefined || b.value === undefined) return a.value === b.value
  return equal(a.value, b.value)
}

function equalMaps(a: MapValue, b: MapValue): boolean {
  if (a.size !== b.size) return false
  return a.keys().every(key => {
    const other = b.get(key)
    return other !== undefined && equal(a.get(key)!, other)
  })
}

/** -1, 0 or 1; undefined when one is not a number. An integer beside a double is compared as the double it rounds to. */
export function compareNumbers(a: bigint | number | Uint, b: bigint | number | Uint): number | undefined {
  const left = a instanceof Uint ? a.value : a
  const right = b instanceof Uint ? b.value : b
  if (Number.isNaN(left) || Number.isNaN(right)) return undefined
  if (typeof left !== typeof right) return compareNumbers(Number(left), Number(right))
  return left < right ? -1 : left > right ? 1 : 0
}
