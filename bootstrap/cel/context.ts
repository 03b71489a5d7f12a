/** What the walk over a tree carries, and what it makes of each node. */
import type { Expr } from './ast.ts'
import type { Environment } from './environment.ts'
import { CelError, type Issue } from './errors.ts'
import type { Scope } from './scope.ts'
import { dyn, type Type, typeText } from './types.ts'
import type { Value } from './values.ts'

export type Code = (scope: Scope) => Value

export interface Compiled {
  readonly type: Type
  readonly run: Code
}

/** The environment, the local variables' types, and the mistakes found so far. */
export interface Context {
  readonly environment: Environment
  readonly locals: ReadonlyMap<string, Type>
  readonly issues: Issue[]
  /** Compiles a part of the tree: compile.ts, handed on so that the parts need not import it. */
  readonly compile: (expr: Expr, context: Context) => Compiled
}

export function withLocals(context: Context, locals: readonly (readonly [string, Type])[]): Context {
  return { ...context, locals: new Map([...context.locals, ...locals]) }
}

export function issue(context: Context, at: number, message: string): Compiled {
  context.issues.push({ at, message })
  return { type: dyn, run: () => fail(message) }
}

export function fail(message: string): never {
  throw new CelError(message)
}

export function noOverload(name: string, types: readonly Type[], target?: Type): string {
  const args = types.map(typeText).join(', ')
  return `found no matching overload for '${name}' applied to '${target === undefined ? '' : `${typeText(target)}.`}(${args})'`
}
