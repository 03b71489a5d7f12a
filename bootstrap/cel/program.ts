/** Expressions ready for use. */
import { compile } from './compile.ts'
import type { Environment } from './environment.ts'
import { CelSyntaxError, type Issue, issueText } from './errors.ts'
import type { Budget } from './functions.ts'
import { parse } from './parser.ts'
import { rootScope, unlimited } from './scope.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

/** An expression ready to be evaluated, as often as needed. */
export interface Program {
  readonly type: Type
  /** Throws CelError when evaluation fails. */
  evaluate(variables: { readonly [name: string]: Value }, budget?: Budget): Value
}

/** The text is no expression, refers to what is not there, or has types that do not fit; the message lists all issues. */
export class CompileError extends Error {
  constructor(text: string, issues: readonly Issue[]) {
    super(issueText(text, issues))
    this.name = 'CompileError'
  }
}

/** Parses and checks; throws CompileError. */
export function program(text: string, within: Environment): Program {
  const issues: Issue[] = []
  try {
    const { type, run } = compile(parse(text), { environment: within, locals: new Map(), issues, compile })
    if (issues.length > 0) throw new CompileError(text, issues)
    return { type, evaluate: (variables, budget = unlimited) => run(rootScope(variables, budget)) }
  } catch (error) {
    if (error instanceof CelSyntaxError) throw new CompileError(text, [{ at: error.at, message: error.message }])
    throw error
  }
}
