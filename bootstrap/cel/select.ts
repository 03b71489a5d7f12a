/** Fields and indexes: a.b, a.?b, has(a.b), a[b], a[?b]. */
import type { Expr } from './ast.ts'
import { type Compiled, type Context, issue, noOverload } from './context.ts'
import { CelError } from './errors.ts'
import { bool, dyn, int, isAssignable, optionalOf, string, type Type, typeText } from './types.ts'
import { isList, isMap, Optional, Uint, type Value } from './values.ts'

type Select = Expr & { kind: 'select' }
type Index = Expr & { kind: 'index' }

export function compileField(expr: Select, operand: Compiled, context: Context): Compiled {
  const type = fieldType(expr, operand.type, context)
  if (!type) return { type: dyn, run: () => noSuchOverload() }
  const { field } = expr
  if (expr.test) return { type: bool, run: scope => has(operand.run(scope), field) }
  const isOptional = expr.optional || operand.type.kind === 'optional'
  if (expr.optional)
    return { type: optionalOf(type), run: scope => optionalGet(operand.run(scope), value => find(value, field)) }
  return {
    type: isOptional ? optionalOf(type) : type,
    run(scope) {
      scope.budget.spend(1)
      const value = operand.run(scope)
      if (value instanceof Optional) return optionalGet(value, inner => find(inner, field))
      const found = find(value, field)
      if (found === undefined) throw new CelError(`no such key: ${field}`)
      return found
    },
  }
}

function fieldType({ field, at }: Select, operand: Type, context: Context): Type | undefined {
  switch (operand.kind) {
    case 'object': {
      const type = operand.field(field)
      if (!type) issue(context, at, `undefined field '${field}'`)
      return type
    }
    case 'map':
      return isAssignable(operand.key, string, new Map()) ? operand.value : dyn
    case 'optional':
      return fieldType({ field, at } as Select, operand.value, context)
    case 'dyn':
    case 'param':
      return dyn
    default:
      issue(context, at, `type '${typeText(operand)}' does not support field selection`)
      return undefined
  }
}

function find(value: Value, field: string): Value | undefined {
  if (!isMap(value)) throw new CelError('no such overload')
  return value.get(field)
}

function has(value: Value, field: string): boolean {
  if (value instanceof Optional) return value.value !== undefined && has(value.value, field)
  return find(value, field) !== undefined
}

function optionalGet(value: Value, get: (value: Value) => Value | undefined): Optional {
  if (!(value instanceof Optional)) return new Optional(get(value))
  return value.value === undefined ? value : new Optional(get(value.value))
}

export function compileIndex(expr: Index, operand: Compiled, index: Compiled, context: Context): Compiled {
  const type = elementType(operand.type, index.type)
  if (!type) return issue(context, expr.at, noOverload('_[_]', [operand.type, index.type]))
  const isOptional = expr.optional || operand.type.kind === 'optional'
  return {
    type: isOptional ? optionalOf(type) : type,
    run(scope) {
      scope.budget.spend(1)
      const value = operand.run(scope)
      const key = index.run(scope)
      if (expr.optional || value instanceof Optional) return optionalGet(value, inner => element(inner, key))
      const found = element(value, key)
      if (found !== undefined) return found
      if (isList(value)) throw new CelError(`index out of bounds: ${keyText(key)}`)
      throw new CelError(`no such key: ${keyText(key)}`)
    },
  }
}

function elementType(operand: Type, index: Type): Type | undefined {
  switch (operand.kind) {
    case 'list':
      return isAssignable(int, index, new Map()) ? operand.element : undefined
    case 'map':
      return isAssignable(operand.key, index, new Map()) ? operand.value : undefined
    case 'optional':
      return elementType(operand.value, index)
    case 'dyn':
    case 'param':
      return dyn
    default:
      return undefined
  }
}

function element(value: Value, key: Value): Value | undefined {
  if (isMap(value)) {
    if (
      typeof key === 'number'
        ? !Number.isInteger(key)
        : key === null || (typeof key === 'object' && !(key instanceof Uint))
    ) {
      if (typeof key !== 'number') throw new CelError('unsupported key type')
      return undefined
    }
    return value.get(key)
  }
  if (!isList(value)) throw new CelError('no such overload')
  const index = key instanceof Uint ? Number(key.value) : typeof key === 'bigint' ? Number(key) : key
  if (typeof index !== 'number' || !Number.isInteger(index))
    throw new CelError('invalid_argument: unsupported index type')
  return value[index]
}

function keyText(key: Value): string {
  return key instanceof Uint ? `${key.value}` : String(key)
}

function noSuchOverload(): never {
  throw new CelError('no such overload')
}
