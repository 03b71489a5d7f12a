/**
 * How a Go value that a template can see is represented here.
 *
 * | Go                                         | here                                          |
 * |--------------------------------------------|-----------------------------------------------|
 * | no value (the invalid reflect.Value)       | undefined                                     |
 * | nil interface                              | null                                          |
 * | bool, string, float64                      | boolean, string, number                       |
 * | int                                        | bigint                                        |
 * | int64, uint8, uint64, time.Duration, ...   | GoInteger                                     |
 * | map[string]interface {}, []interface {}    | plain object, array                           |
 * | other maps and slices (map[string]string)  | the same, its type given by `typed`           |
 * | []byte                                     | Uint8Array                                    |
 * | structs and pointers to structs            | GoStruct                                      |
 *
 * So the values of a chart, plain JSON, are template values as they are, and functions that change a map (set, merge) change
 * them in place. A Go string is bytes: a byte that is no UTF-8 is the lone surrogate U+DC00 + byte (see bytes.ts).
 */
import type { FunctionTable } from './functions.ts'

export type GoValue = unknown
export interface GoMap {
  [key: string]: GoValue
}

export type Kind =
  | 'bool'
  | 'float64'
  | 'func'
  | 'int'
  | 'int32'
  | 'int64'
  | 'interface'
  | 'invalid'
  | 'map'
  | 'ptr'
  | 'slice'
  | 'string'
  | 'struct'
  | 'uint'
  | 'uint32'
  | 'uint64'
  | 'uint8'

/** A Go type as far as templates can tell: what %T prints, its kind, and what a map or slice holds. */
export interface GoType {
  readonly name: string
  readonly kind: Kind
  readonly element?: GoType
}

/** An integer of any type but int. */
export class GoInteger {
  readonly type: GoType
  readonly value: bigint
  readonly methods: FunctionTable | undefined
  /** What a Stringer's String() returns. */
  readonly text: (() => string) | undefined

  constructor(type: GoType, value: bigint, more: { methods?: FunctionTable; text?: () => string } = {}) {
    this.type = type
    this.value = value
    this.methods = more.methods
    this.text = more.text
  }
}

/**
 * A struct, or a pointer to one when its type's kind is ptr. A field that is not there is an error, unlike a map's key.
 * `fields` are the exported ones in order of declaration; `methods` can be called from templates; `text` makes it a Stringer.
 */
export class GoStruct {
  readonly type: GoType
  readonly fields: { readonly [name: string]: GoValue }
  readonly methods: FunctionTable
  readonly text: (() => string) | undefined
  /** What it is in JSON, when that is not an object of its fields. */
  readonly json: (() => GoValue) | undefined
  /** Whatever the functions that made it want to remember. */
  readonly hidden: unknown

  constructor(
    typeName: string,
    fields: { readonly [name: string]: GoValue },
    more: { methods?: FunctionTable; text?: () => string; json?: () => GoValue; hidden?: unknown } = {},
  ) {
    this.type = { name: typeName, kind: typeName.startsWith('*') ? 'ptr' : 'struct' }
    this.fields = fields
    this.methods = more.methods ?? {}
    this.text = more.text
    this.json = more.json
    this.hidden = more.hidden
  }
}

export const types = {
  any: { name: 'interface {}', kind: 'interface' },
  bool: { name: 'bool', kind: 'bool' },
  string: { name: 'string', kind: 'string' },
  int: { name: 'int', kind: 'int' },
  int32: { name: 'int32', kind: 'int32' },
  int64: { name: 'int64', kind: 'int64' },
  uint: { name: 'uint', kind: 'uint' },
  uint8: { name: 'uint8', kind: 'uint8' },
  uint32: { name: 'uint32', kind: 'uint32' },
  uint64: { name: 'uint64', kind: 'uint64' },
  float64: { name: 'float64', kind: 'float64' },
  /** reflect.Value: a function that takes one sees nil and "no value" as they are. */
  value: { name: 'reflect.Value', kind: 'struct' },
  dict: { name: 'map[string]interface {}', kind: 'map', element: { name: 'interface {}', kind: 'interface' } },
  list: { name: '[]interface {}', kind: 'slice', element: { name: 'interface {}', kind: 'interface' } },
  lists: {
    name: '[][]interface {}',
    kind: 'slice',
    element: { name: '[]interface {}', kind: 'slice', element: { name: 'interface {}', kind: 'interface' } },
  },
  strings: { name: '[]string', kind: 'slice', element: { name: 'string', kind: 'string' } },
  ints: { name: '[]int', kind: 'slice', element: { name: 'int', kind: 'int' } },
  dicts: {
    name: '[]map[string]interface {}',
    kind: 'slice',
    element: { name: 'map[string]interface {}', kind: 'map', element: { name: 'interface {}', kind: 'interface' } },
  },
  stringDict: { name: 'map[string]string', kind: 'map', element: { name: 'string', kind: 'string' } },
  bytes: { name: '[]uint8', kind: 'slice', element: { name: 'uint8', kind: 'uint8' } },
} as const satisfies { readonly [name: string]: GoType }

interface Annotation {
  readonly type: GoType
  readonly methods?: FunctionTable | undefined
  /** A nil map or slice: empty, but null in JSON. */
  readonly nil?: boolean | undefined
}

const annotations = new WeakMap<object, Annotation>()

/**
 * Gives a plain object or array another type than map[string]interface {} or []interface {}, and methods:
 * `typed({}, { name: 'common.Values', kind: 'map', element: types.any })`. Returns the same object.
 */
export function typed<T extends object>(
  value: T,
  type: GoType,
  more: { methods?: FunctionTable; nil?: boolean } = {},
): T {
  annotations.set(value, { type, ...more })
  return value
}

export function annotationOf(value: object): Annotation | undefined {
  return annotations.get(value)
}

/** A nil slice of the type. */
export function nilSlice(type: GoType = types.list): GoValue[] {
  return typed([], type, { nil: true })
}

export function isNilContainer(value: object): boolean {
  return annotations.get(value)?.nil === true
}

/** A map of any element type. */
export function isMap(value: GoValue): value is GoMap {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof GoInteger) &&
    !(value instanceof GoStruct)
  )
}

/** The dynamic type of a value; undefined for nil and for no value. */
export function typeOf(value: GoValue): GoType | undefined {
  switch (typeof value) {
    case 'string':
      return types.string
    case 'boolean':
      return types.bool
    case 'number':
      return types.float64
    case 'bigint':
      return types.int
    case 'object':
      return value === null ? undefined : typeOfObject(value)
    default:
      return undefined
  }
}

function typeOfObject(value: object): GoType {
  if (value instanceof GoInteger || value instanceof GoStruct) return value.type
  const annotation = annotations.get(value)
  if (annotation) return annotation.type
  if (Array.isArray(value)) return types.list
  return value instanceof Uint8Array ? types.bytes : types.dict
}

export function kindOf(value: GoValue): Kind {
  return typeOf(value)?.kind ?? 'invalid'
}

/** The value under a key, undefined when there is none; never something inherited from Object. */
export function entry(map: GoMap, key: string): GoValue {
  return Object.hasOwn(map, key) ? map[key] : undefined
}

/** Sets a key, whatever its name. */
export function setEntry(map: GoMap, key: string, value: GoValue): void {
  if (key === '__proto__')
    Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true })
  else map[key] = value
}

/** The zero value of a type. */
export function zeroOf(type: GoType): GoValue {
  switch (type.kind) {
    case 'string':
      return ''
    case 'bool':
      return false
    case 'int':
      return 0n
    case 'float64':
      return 0
    case 'map':
      return typed({}, type, { nil: true })
    case 'slice':
      return type.name === '[]uint8' ? new Uint8Array() : nilSlice(type)
    default:
      return type.kind.includes('int') && type.kind !== 'interface' ? new GoInteger(type, 0n) : null
  }
}
