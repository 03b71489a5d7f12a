/** Sprig's functions about emptiness, choice and reflection. */
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoInteger, GoStruct, type GoValue, isMap, kindOf, typeOf } from '../template/values.ts'
import { deepEqual } from './equality.ts'

export const choiceFunctions: FunctionTable = {
  default: goFunction('any, ...any -> any', (standard: GoValue, ...given: GoValue[]) =>
    given.length === 0 || isEmptyValue(given[0]) ? standard : given[0],
  ),
  empty: goFunction('any -> bool', isEmptyValue),
  coalesce: goFunction('...any -> any', (...values: GoValue[]) => values.find(value => !isEmptyValue(value))),
  all: goFunction('...any -> bool', (...values: GoValue[]) => !values.some(isEmptyValue)),
  any: goFunction('...any -> bool', (...values: GoValue[]) => !values.every(isEmptyValue)),
  ternary: goFunction('any, any, bool -> any', (yes: GoValue, no: GoValue, condition: boolean) =>
    condition ? yes : no,
  ),
  fail: goFunction('string -> string', (message: string) => {
    throw new GoError(message)
  }),
  typeOf: goFunction('any -> string', typeName),
  typeIs: goFunction('string, any -> bool', (name: string, value: GoValue) => name === typeName(value)),
  typeIsLike: goFunction('string, any -> bool', (name: string, value: GoValue) =>
    [name, `*${name}`].includes(typeName(value)),
  ),
  kindOf: goFunction('any -> string', kindOf),
  kindIs: goFunction('string, any -> bool', (kind: string, value: GoValue) => kind === kindOf(value)),
  deepEqual: goFunction('any, any -> bool', deepEqual),
}

function typeName(value: GoValue): string {
  return typeOf(value)?.name ?? '<nil>'
}

/** Whether a value is the zero of its type; a struct never is. */
export function isEmptyValue(value: GoValue): boolean {
  switch (typeof value) {
    case 'boolean':
      return !value
    case 'string':
      return value === ''
    case 'number':
      return value === 0
    case 'bigint':
      return value === 0n
    case 'object':
      return value === null || isEmptyObject(value)
    default:
      return true
  }
}

function isEmptyObject(value: object): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0
  if (value instanceof GoInteger) return value.value === 0n
  if (value instanceof GoStruct) return false
  return isMap(value) && Object.keys(value).length === 0
}
