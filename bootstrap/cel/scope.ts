/** The variables an expression sees while it runs, innermost first. */
import { CelError } from './errors.ts'
import type { Budget } from './functions.ts'
import type { Value } from './values.ts'

export interface Scope {
  readonly name: string
  readonly value: Value
  readonly outer: Scope | undefined
  readonly budget: Budget
}

/** The outermost scope, with the activation's variables. */
export function rootScope(variables: { readonly [name: string]: Value }, budget: Budget): Scope {
  let scope: Scope = { name: '', value: null, outer: undefined, budget }
  for (const [name, value] of Object.entries(variables)) scope = within(scope, name, value)
  return scope
}

export function within(outer: Scope, name: string, value: Value): Scope {
  return { name, value, outer, budget: outer.budget }
}

export function lookUp(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at; at = at.outer) if (at.name === name) return at.value
  throw new CelError(`no such attribute(s): ${name}`)
}

/** A budget of so many units, shared by all evaluations it is given to. */
export function budgetOf(units: number): Budget {
  let left = units
  return {
    spend(cost) {
      left -= cost
      if (left < 0) throw new CelError('operation cancelled: actual cost limit exceeded')
    },
  }
}

export const unlimited: Budget = { spend: () => {} }
