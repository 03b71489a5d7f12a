/** How functions are declared: overloads by parameter types, as calls f(x) and as methods x.f(). */
import { CelError } from './errors.ts'
import type { Type } from './types.ts'
import type { Value } from './values.ts'

/** Counts the work of an evaluation; throws CelError when there is no budget left. */
export interface Budget {
  spend(cost: number): void
}

export interface Overload {
  readonly name: string
  /** Called as a method of its first parameter. */
  readonly isMethod: boolean
  readonly params: readonly Type[]
  readonly result: Type
  // biome-ignore lint/suspicious/noExplicitAny: an overload is only called with values of its parameters' types
  readonly run: (...args: any[]) => Value
}

type Run = Overload['run']

export function fn(name: string, params: readonly Type[], result: Type, run: Run): Overload {
  return { name, isMethod: false, params, result, run }
}

export function method(name: string, params: readonly Type[], result: Type, run: Run): Overload {
  return { name, isMethod: true, params, result, run }
}

export type FunctionTable = ReadonlyMap<string, readonly Overload[]>

export function functionTable(...libraries: readonly (readonly Overload[])[]): FunctionTable {
  return Map.groupBy(libraries.flat(), ({ name }) => name)
}

const least = -(2n ** 63n)
const greatest = 2n ** 63n - 1n

/** The int, if it is one. */
export function checkedInt(value: bigint): bigint {
  if (value < least || value > greatest) throw new CelError('integer overflow')
  return value
}

export function checkedUint(value: bigint): bigint {
  if (value < 0n || value > 2n ** 64n - 1n) throw new CelError('unsigned integer overflow')
  return value
}
