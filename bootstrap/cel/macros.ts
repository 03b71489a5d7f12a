/** Macros: calls that are no functions but forms of their own (langdef.md "Macros", cel-go ext comprehensions and bindings). */
import type { Expr } from './ast.ts'
import { CelSyntaxError } from './errors.ts'

/** The tree of a call; a macro's own form where it is one. Throws CelSyntaxError for a macro's bad arguments. */
export function expandCall(name: string, target: Expr | undefined, args: readonly Expr[], at: number): Expr {
  const macro = target === undefined ? globalMacro(name, args, at) : memberMacro(name, target, args, at)
  return macro ?? { kind: 'call', at, name, target, args }
}

function globalMacro(name: string, args: readonly Expr[], at: number): Expr | undefined {
  if (name !== 'has' || args.length !== 1) return undefined
  const [argument] = args as [Expr]
  if (argument.kind !== 'select' || argument.optional)
    throw new CelSyntaxError('invalid argument to has() macro', argument.at)
  return { ...argument, at, test: true }
}

function memberMacro(name: string, target: Expr, args: readonly Expr[], at: number): Expr | undefined {
  const last = args.at(-1)!
  switch (name) {
    case 'all':
    case 'exists':
    case 'exists_one':
    case 'existsOne': {
      if (args.length !== 2 && args.length !== 3) return undefined
      const quantifier = name === 'exists_one' ? 'existsOne' : name
      return {
        kind: 'quantifier',
        at,
        quantifier,
        range: target,
        variables: variables(args.slice(0, -1)),
        predicate: last,
      }
    }
    case 'map':
      if (args.length !== 2 && args.length !== 3) return undefined
      return collect('list', target, args.slice(0, 1), args.length === 3 ? args[1] : undefined, last, at)
    case 'filter':
      if (args.length !== 2) return undefined
      return collect('list', target, args.slice(0, 1), last, args[0]!, at)
    case 'transformList':
    case 'transformMap':
    case 'transformMapEntry': {
      if (args.length !== 3 && args.length !== 4) return undefined
      const into = name === 'transformList' ? 'list' : name === 'transformMap' ? 'map' : 'entries'
      return collect(into, target, args.slice(0, 2), args.length === 4 ? args[2] : undefined, last, at)
    }
    case 'optMap':
    case 'optFlatMap': {
      if (args.length !== 2) return undefined
      const [variable] = variables(args.slice(0, 1)) as [string]
      return { kind: 'optional', at, operand: target, variable, body: last, flat: name === 'optFlatMap' }
    }
    case 'bind': {
      if (args.length !== 3 || target.kind !== 'ident' || target.name !== 'cel') return undefined
      const [variable] = variables(args.slice(0, 1)) as [string]
      return { kind: 'bind', at, variable, init: args[1]!, body: last }
    }
    default:
      return undefined
  }
}

function collect(
  into: 'list' | 'map' | 'entries',
  range: Expr,
  names: readonly Expr[],
  filter: Expr | undefined,
  value: Expr,
  at: number,
): Expr {
  return { kind: 'collect', at, into, range, variables: variables(names), filter, value }
}

function variables(args: readonly Expr[]): string[] {
  return args.map((arg, index) => {
    if (arg.kind !== 'ident') throw new CelSyntaxError('argument must be a simple name', arg.at)
    if (args.findIndex(other => other.kind === 'ident' && other.name === arg.name) < index)
      throw new CelSyntaxError(`duplicate variable name: ${arg.name}`, arg.at)
    return arg.name
  })
}
