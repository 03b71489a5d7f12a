/** What an expression may refer to: variables, functions, type names, constructible types. */

import type { FunctionTable } from './functions.ts'
import {
  bool,
  bytes,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  nullType,
  opaque,
  optionalOf,
  string,
  type Type,
  timestamp,
  typeOf,
  uint,
} from './types.ts'
import { TypeValue, typeNameOf, Uint, type Value } from './values.ts'

export interface Builder {
  readonly type: Type
  build(fields: ReadonlyMap<string, Value>): Value
}

export interface Environment {
  readonly variables: ReadonlyMap<string, Type>
  readonly functions: FunctionTable
  readonly builders: ReadonlyMap<string, Builder>
  typeNamed(name: string): { readonly type: Type; readonly value: Value } | undefined
  typeOfLiteral(value: Value): Type
}

const typeNames = new Map<string, Type>([
  ['bool', bool],
  ['int', int],
  ['uint', uint],
  ['double', double],
  ['string', string],
  ['bytes', bytes],
  ['null_type', nullType],
  ['list', listOf(dyn)],
  ['map', mapOf(dyn, dyn)],
  ['type', typeOf(dyn)],
  ['google.protobuf.Timestamp', timestamp],
  ['google.protobuf.Duration', duration],
  ['optional_type', optionalOf(dyn)],
  ...['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.URL', 'kubernetes.Semver'].map(
    name => [name, opaque(name)] as const,
  ),
])

export function environment(
  variables: { readonly [name: string]: Type },
  functions: FunctionTable,
  builders: ReadonlyMap<string, Builder> = new Map(),
): Environment {
  return {
    variables: new Map(Object.entries(variables)),
    functions,
    builders,
    typeNamed(name) {
      const type = typeNames.get(name)
      return type && { type: typeOf(type), value: new TypeValue(name) }
    },
    typeOfLiteral(value) {
      if (value instanceof Uint) return uint
      return typeNames.get(typeNameOf(value)) ?? dyn
    },
  }
}
