/** Expressions of match conditions, compiled when first needed. */
import { environment } from '../../../cel/environment.ts'
import { type Program, program } from '../../../cel/program.ts'
import { bool, dyn } from '../../../cel/types.ts'
import { functions } from '../cel/functions.ts'

const variables = environment({ object: dyn, oldObject: dyn, request: dyn }, functions)
const compiled = new Map<string, Program | Error>()

/** Throws, with the compiler's text, for what is no expression that can be true or false. */
export function programOf(expression: string): Program {
  let known = compiled.get(expression)
  if (!known) {
    if (compiled.size > 1000) compiled.clear()
    known = compile(expression)
    compiled.set(expression, known)
  }
  if (known instanceof Error) throw known
  return known
}

function compile(expression: string): Program | Error {
  try {
    const made = program(expression, variables)
    return made.type === bool || made.type === dyn ? made : new Error('must evaluate to bool')
  } catch (error) {
    return error as Error
  }
}
