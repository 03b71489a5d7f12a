/** all, exists, map, filter and their like over lists and maps. */
import type { Expr } from './ast.ts'
import { type Compiled, type Context, issue, noOverload, withLocals } from './context.ts'
import { CelError } from './errors.ts'
import { type Scope, within } from './scope.ts'
import { bool, dyn, int, isAssignable, listOf, mapOf, type Type, typeText } from './types.ts'
import { BuiltMap, isList, isMap, type Value } from './values.ts'

type Quantifier = Expr & { kind: 'quantifier' }
type Collect = Expr & { kind: 'collect' }

/** The types of a range's variables: element, or key; with two of them index and element, or key and value. */
function variableTypes(range: Type, count: number): readonly Type[] | undefined {
  switch (range.kind) {
    case 'list':
      return count === 1 ? [range.element] : [int, range.element]
    case 'map':
      return count === 1 ? [range.key] : [range.key, range.value]
    case 'dyn':
    case 'param':
      return [dyn, dyn].slice(0, count)
    default:
      return undefined
  }
}

/** Scopes with the variables set, one per element. */
function* iterations(range: Value, names: readonly string[], outer: Scope): Iterable<Scope> {
  const set = (first: Value, second: () => Value): Scope => {
    outer.budget.spend(1)
    const scope = within(outer, names[0]!, first)
    return names.length === 1 ? scope : within(scope, names[1]!, second())
  }
  if (isList(range)) {
    for (let index = 0; index < range.length; index++) {
      const element = range[index]!
      yield names.length === 1 ? set(element, () => element) : set(BigInt(index), () => element)
    }
  } else if (isMap(range)) {
    for (const key of range.keys()) yield set(key, () => range.get(key)!)
  } else throw new CelError('no such overload')
}

function ranged(expr: Quantifier | Collect, context: Context): { range: Compiled; inner: Context } | undefined {
  const range = context.compile(expr.range, context)
  const types = variableTypes(range.type, expr.variables.length)
  if (types === undefined) {
    const message = `expression of type '${typeText(range.type)}' cannot be range of a comprehension (must be list, map, or dynamic)`
    issue(context, expr.range.at, message)
    return undefined
  }
  return {
    range,
    inner: withLocals(
      context,
      expr.variables.map((name, index) => [name, types[index]!] as const),
    ),
  }
}

function condition(expr: Expr, context: Context): Compiled {
  const compiled = context.compile(expr, context)
  if (!isAssignable(bool, compiled.type, new Map())) issue(context, expr.at, noOverload('_&&_', [bool, compiled.type]))
  return compiled
}

export function compileQuantifier(expr: Quantifier, context: Context): Compiled {
  const ready = ranged(expr, context)
  if (!ready) return { type: bool, run: () => false }
  const { range, inner } = ready
  const predicate = condition(expr.predicate, inner)
  const holds = (scope: Scope): boolean => {
    const value = predicate.run(scope)
    if (typeof value !== 'boolean') throw new CelError('no such overload')
    return value
  }
  const each = (scope: Scope) => iterations(range.run(scope), expr.variables, scope)
  switch (expr.quantifier) {
    case 'all':
      return { type: bool, run: scope => !decided(each(scope), element => !holds(element)) }
    case 'exists':
      return { type: bool, run: scope => decided(each(scope), holds) }
    case 'existsOne':
      return { type: bool, run: scope => [...each(scope)].filter(holds).length === 1 }
  }
}

/** Whether `test` holds for one of them; an error counts only when it holds for none. */
function decided(scopes: Iterable<Scope>, test: (scope: Scope) => boolean): boolean {
  let failure: unknown
  for (const scope of scopes) {
    try {
      if (test(scope)) return true
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return false
}

export function compileCollect(expr: Collect, context: Context): Compiled {
  const ready = ranged(expr, context)
  if (!ready) return { type: dyn, run: () => null }
  const { range, inner } = ready
  const filter = expr.filter && condition(expr.filter, inner)
  const value = inner.compile(expr.value, inner)
  const chosen = (scope: Scope): Scope[] =>
    [...iterations(range.run(scope), expr.variables, scope)].filter(element => {
      const keep = filter?.run(element) ?? true
      if (typeof keep !== 'boolean') throw new CelError('no such overload')
      return keep
    })
  switch (expr.into) {
    case 'list':
      return { type: listOf(value.type), run: scope => chosen(scope).map(element => value.run(element)) }
    case 'map': {
      const key = inner.compile({ kind: 'ident', at: expr.at, name: expr.variables[0]! }, inner)
      const run = (scope: Scope): Value => {
        const map = new BuiltMap()
        for (const element of chosen(scope)) map.add(key.run(element), value.run(element))
        return map
      }
      return { type: mapOf(key.type, value.type), run }
    }
    case 'entries': {
      const run = (scope: Scope): Value => {
        const map = new BuiltMap()
        for (const element of chosen(scope)) addAll(map, value.run(element))
        return map
      }
      return { type: value.type, run }
    }
  }
}

function addAll(map: BuiltMap, entries: Value): void {
  if (!isMap(entries)) throw new CelError('no such overload')
  for (const key of entries.keys()) map.add(key, entries.get(key)!)
}
