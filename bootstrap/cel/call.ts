/** Calls: the overloads that fit the types known beforehand, and among them the one that fits the values. */
import type { Expr } from './ast.ts'
import { type Compiled, type Context, issue, noOverload } from './context.ts'
import { CelError } from './errors.ts'
import type { Overload } from './functions.ts'
import type { Scope } from './scope.ts'
import { type Bindings, bool, dyn, isAssignable, isOfType, join, substitute, type Type } from './types.ts'
import { equal, isList, isMap, typeNameOf, type Value } from './values.ts'

type Call = Expr & { kind: 'call' }

export function compileCall(expr: Call, context: Context): Compiled {
  const namespaced = namespacedName(expr, context)
  const target = namespaced !== undefined || !expr.target ? undefined : context.compile(expr.target, context)
  const name = namespaced ?? expr.name
  const args = expr.args.map(arg => context.compile(arg, context))
  if (name === '_==_' || name === '_!=_') return compileEquality(name, args, expr.at, context)
  if (name === '_in_') return compileMembership(args, expr.at, context)
  const known = context.environment.functions.get(name) ?? []
  if (known.length === 0) return issue(context, expr.at, `undeclared reference to '${name}' (in container '')`)
  const all = target ? [target, ...args] : args
  const types = all.map(({ type }) => type)
  const fits = known.flatMap(overload => {
    const bindings: Bindings = new Map()
    const isFit =
      overload.isMethod === (target !== undefined) &&
      overload.params.length === all.length &&
      overload.params.every((param, index) => isAssignable(param, types[index]!, bindings))
    return isFit ? [{ overload, result: substitute(overload.result, bindings) }] : []
  })
  if (fits.length === 0) return issue(context, expr.at, noOverload(name, target ? types.slice(1) : types, target?.type))
  const overloads = fits.map(({ overload }) => overload)
  const codes = all.map(({ run }) => run)
  const run = (scope: Scope): Value => {
    const values = codes.map(code => code(scope))
    scope.budget.spend(1 + sizeCost(values))
    return choose(overloads, values, name).run(...values)
  }
  return { type: resultType(fits.map(({ result }) => result)), run }
}

function resultType(types: readonly Type[]): Type {
  return types.length === 1 ? types[0]! : join(types)
}

function choose(overloads: readonly Overload[], values: readonly Value[], name: string): Overload {
  const fit = overloads.find(({ params }) => params.every((param, index) => isOfType(param, values[index]!)))
  if (!fit) throw new CelError(`no such overload: ${name}(${values.map(typeNameOf).join(', ')})`)
  return fit
}

/** Texts cost a tenth of a unit per character, as upstream counts. */
function sizeCost(values: readonly Value[]): number {
  let cost = 0
  for (const value of values) if (typeof value === 'string') cost += value.length / 10
  return cost
}

/** "math.greatest", "ip.isCanonical": a function's own name with a dot, unless a variable is meant. */
function namespacedName({ target, name }: Call, { environment, locals }: Context): string | undefined {
  if (target?.kind !== 'ident' || locals.has(target.name) || environment.variables.has(target.name)) return undefined
  const full = `${target.name}.${name}`
  return environment.functions.has(full) ? full : undefined
}

function compileEquality(name: string, args: readonly Compiled[], at: number, context: Context): Compiled {
  const [left, right] = args as [Compiled, Compiled]
  const fits = isAssignable(left.type, right.type, new Map()) || isAssignable(right.type, left.type, new Map())
  if (!fits && !isNullable(left.type, right.type)) issue(context, at, noOverload(name, [left.type, right.type]))
  const wanted = name === '_==_'
  return {
    type: bool,
    run(scope) {
      const [a, b] = [left.run(scope), right.run(scope)]
      scope.budget.spend(1 + sizeCost([a]))
      return equal(a, b) === wanted
    },
  }
}

/** null may be compared with whatever may be absent. */
function isNullable(left: Type, right: Type): boolean {
  const isNull = (type: Type) => type.kind === 'basic' && type.name === 'null_type'
  const isObject = (type: Type) => !['basic', 'list', 'map'].includes(type.kind) || isNull(type)
  return (isNull(left) && isObject(right)) || (isNull(right) && isObject(left))
}

function compileMembership(args: readonly Compiled[], at: number, context: Context): Compiled {
  const [item, container] = args as [Compiled, Compiled]
  const wanted = memberType(container.type)
  if (!wanted || !(isAssignable(wanted, item.type, new Map()) || isAssignable(item.type, wanted, new Map())))
    return issue(context, at, noOverload('@in', [item.type, container.type]))
  return {
    type: bool,
    run(scope) {
      const value = item.run(scope)
      const within = container.run(scope)
      scope.budget.spend(1)
      if (isMap(within)) return within.get(value) !== undefined
      if (!isList(within)) throw new CelError('no such overload')
      scope.budget.spend(within.length)
      return within.some(element => equal(element, value))
    },
  }
}

function memberType(type: Type): Type | undefined {
  switch (type.kind) {
    case 'list':
      return type.element
    case 'map':
      return type.key
    case 'dyn':
    case 'param':
      return dyn
    default:
      return undefined
  }
}
