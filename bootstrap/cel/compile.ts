/** Checks a tree and turns it into code, in one walk: every node gets its type and a closure. */
import type { Expr } from './ast.ts'
import { compileCall } from './call.ts'
import { compileCollect, compileQuantifier } from './comprehension.ts'
import { type Code, type Compiled, type Context, issue, noOverload, withLocals } from './context.ts'
import { CelError } from './errors.ts'
import { lookUp, type Scope, within } from './scope.ts'
import { compileField, compileIndex } from './select.ts'
import { bool, dyn, isAssignable, join, listOf, mapOf, optionalOf } from './types.ts'
import { BuiltMap, Optional, type Value } from './values.ts'

export function compile(expr: Expr, context: Context): Compiled {
  switch (expr.kind) {
    case 'literal':
      return { type: context.environment.typeOfLiteral(expr.value), run: () => expr.value }
    case 'ident':
      return compileName(expr.name, expr.at, context)
    case 'select': {
      const qualified = expr.test || expr.optional ? undefined : qualifiedName(expr)
      const constant = qualified === undefined || isLocal(qualified, context) ? undefined : named(qualified, context)
      return constant ?? compileField(expr, compile(expr.operand, context), context)
    }
    case 'index':
      return compileIndex(expr, compile(expr.operand, context), compile(expr.index, context), context)
    case 'call':
      return compileCall(expr, context)
    case 'and':
    case 'or':
      return compileLogic(expr, context)
    case 'conditional':
      return compileConditional(expr, context)
    case 'list':
      return compileList(expr, context)
    case 'map':
      return compileMap(expr, context)
    case 'struct':
      return compileStruct(expr, context)
    case 'quantifier':
      return compileQuantifier(expr, context)
    case 'collect':
      return compileCollect(expr, context)
    case 'bind': {
      const init = compile(expr.init, context)
      const body = compile(expr.body, withLocals(context, [[expr.variable, init.type]]))
      return { type: body.type, run: scope => body.run(within(scope, expr.variable, init.run(scope))) }
    }
    case 'optional':
      return compileOptional(expr, context)
  }
}

function compileName(name: string, at: number, context: Context): Compiled {
  return named(name, context) ?? issue(context, at, `undeclared reference to '${name}' (in container '')`)
}

/** A local, a variable, or the name of a type. */
function named(name: string, context: Context): Compiled | undefined {
  const local = context.locals.get(name) ?? context.environment.variables.get(name)
  if (local !== undefined) {
    return {
      type: local,
      run(scope) {
        scope.budget.spend(1)
        return lookUp(scope, name)
      },
    }
  }
  const type = context.environment.typeNamed(name)
  return type && { type: type.type, run: () => type.value }
}

function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test || expr.optional) return undefined
  const prefix = qualifiedName(expr.operand)
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`
}

const isLocal = (qualified: string, { locals }: Context) => locals.has(qualified.split('.')[0]!)

/** An error on one side does not matter when the other decides. */
function compileLogic(expr: Expr & { kind: 'and' | 'or' }, context: Context): Compiled {
  const sides = [compile(expr.left, context), compile(expr.right, context)] as const
  const types = sides.map(({ type }) => type)
  if (!types.every(type => isAssignable(bool, type, new Map())))
    issue(context, expr.at, noOverload(expr.kind === 'and' ? '_&&_' : '_||_', types))
  const decides = expr.kind === 'or'
  const [left, right] = sides.map(({ run }) => run) as [Code, Code]
  const run = (scope: Scope): Value => {
    let failure: unknown
    for (const side of [left, right]) {
      try {
        const value = side(scope)
        if (value === decides) return decides
        if (typeof value !== 'boolean') failure ??= new CelError('no such overload')
      } catch (error) {
        if (!(error instanceof CelError)) throw error
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return !decides
  }
  return { type: bool, run }
}

function compileConditional(expr: Expr & { kind: 'conditional' }, context: Context): Compiled {
  const test = compile(expr.test, context)
  const [then, otherwise] = [compile(expr.then, context), compile(expr.otherwise, context)]
  const types = [test.type, then.type, otherwise.type]
  const bindings = new Map()
  const fits =
    isAssignable(bool, test.type, bindings) &&
    (isAssignable(then.type, otherwise.type, bindings) || isAssignable(otherwise.type, then.type, bindings))
  if (!fits) issue(context, expr.at, noOverload('_?_:_', types))
  const run = (scope: Scope): Value => {
    const value = test.run(scope)
    if (typeof value !== 'boolean') throw new CelError('no such overload')
    return value ? then.run(scope) : otherwise.run(scope)
  }
  return { type: join([then.type, otherwise.type]), run }
}

function compileList(expr: Expr & { kind: 'list' }, context: Context): Compiled {
  const elements = expr.elements.map(({ value, optional }) => ({ ...compile(value, context), optional }))
  const types = elements.map(({ type, optional }) => (optional && type.kind === 'optional' ? type.value : type))
  const run = (scope: Scope): Value => {
    const list: Value[] = []
    scope.budget.spend(10)
    for (const element of elements) add(element.run(scope), element.optional, value => list.push(value))
    return list
  }
  return { type: listOf(join(types)), run }
}

/** Adds a value; an optional one only when it is there. */
function add(value: Value, optional: boolean, to: (value: Value) => void): void {
  if (!optional) to(value)
  else if (!(value instanceof Optional)) throw new CelError('cannot initialize optional entry from non-optional value')
  else if (value.value !== undefined) to(value.value)
}

function compileMap(expr: Expr & { kind: 'map' }, context: Context): Compiled {
  const entries = expr.entries.map(({ key, value, optional }) => ({
    key: compile(key, context),
    value: compile(value, context),
    optional,
  }))
  const values = entries.map(({ value: { type }, optional }) =>
    optional && type.kind === 'optional' ? type.value : type,
  )
  const run = (scope: Scope): Value => {
    const map = new BuiltMap()
    scope.budget.spend(30)
    for (const { key, value, optional } of entries) {
      const name = key.run(scope)
      add(value.run(scope), optional, present => map.add(name, present))
    }
    return map
  }
  return { type: mapOf(join(entries.map(({ key }) => key.type)), join(values)), run }
}

function compileStruct(expr: Expr & { kind: 'struct' }, context: Context): Compiled {
  const builder = context.environment.builders.get(expr.type)
  if (!builder) return issue(context, expr.at, `undeclared reference to '${expr.type}' (in container '')`)
  const fields = expr.fields.map(({ name, value, optional }) => ({ name, optional, ...compile(value, context) }))
  const unknown =
    builder.type.kind === 'object'
      ? fields.find(({ name }) => builder.type.kind === 'object' && builder.type.field(name) === undefined)
      : undefined
  if (unknown) return issue(context, expr.at, `undefined field '${unknown.name}'`)
  const run = (scope: Scope): Value => {
    const values = new Map<string, Value>()
    for (const { name, optional, run: value } of fields)
      add(value(scope), optional, present => values.set(name, present))
    return builder.build(values)
  }
  return { type: builder.type, run }
}

function compileOptional(expr: Expr & { kind: 'optional' }, context: Context): Compiled {
  const operand = compile(expr.operand, context)
  const inner = operand.type.kind === 'optional' ? operand.type.value : dyn
  const body = compile(expr.body, withLocals(context, [[expr.variable, inner]]))
  const run = (scope: Scope): Value => {
    const value = operand.run(scope)
    if (!(value instanceof Optional)) throw new CelError('no such overload')
    if (value.value === undefined) return value
    const result = body.run(within(scope, expr.variable, value.value))
    if (!expr.flat) return new Optional(result)
    if (!(result instanceof Optional)) throw new CelError('no such overload')
    return result
  }
  return { type: expr.flat ? body.type : optionalOf(body.type), run }
}
