/** Functions that templates call: a Go signature and what to do. */
import { type GoType, type GoValue, types } from './values.ts'

export interface GoFunction {
  readonly parameters: readonly GoType[]
  /** The last parameter takes any number of arguments. */
  readonly variadic: boolean
  readonly result: GoType
  /**
   * Gets arguments that fit the parameters: int and float64 parameters arrive as JavaScript numbers, other integers as bigint,
   * everything else as in values.ts. Throws GoError where the Go function returns an error or panics.
   */
  readonly call: (...values: never[]) => GoValue
}

export interface FunctionTable {
  readonly [name: string]: GoFunction
}

/** An error a Go function returned. `cause` is the error it wraps. */
export class GoError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'GoError'
  }
}

export type TypeName = keyof typeof types

/**
 * Describes a function: `goFunction('string, ...any -> string', (format, ...values) => ...)`. Type names are those of `types`
 * in values.ts; further ones are given in `more`. A result of an integer type may be returned as number or bigint, one of a
 * typed slice or map as a plain array or object.
 */
export function goFunction(
  signature: string,
  call: GoFunction['call'],
  more: { readonly [name: string]: GoType } = {},
): GoFunction {
  const [inputs, output] = signature.split('->').map(part => part.trim())
  const names = inputs ? inputs.split(',').map(name => name.trim()) : []
  const variadic = names.at(-1)?.startsWith('...') ?? false
  const named = (name: string): GoType => {
    const type = more[name] ?? (types as { readonly [name: string]: GoType })[name]
    if (!type) throw new Error(`no such Go type: ${name} in ${signature}`)
    return type
  }
  return { parameters: names.map(name => named(name.replace('...', ''))), variadic, result: named(output!), call }
}
