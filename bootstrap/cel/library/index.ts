/** Libraries of functions, put together for the places expressions are used in. */
import { type FunctionTable, functionTable } from '../functions.ts'
import { arithmetic } from './arithmetic.ts'
import { collections } from './collections.ts'
import { conversions } from './conversions.ts'
import { encoders, math } from './math.ts'
import { type FormatRule, namedFormats } from './named-format.ts'
import { networks } from './network.ts'
import { quantity } from './quantity.ts'
import { type CompilePattern, regex } from './regex.ts'
import { semver } from './semver.ts'
import { strings } from './strings.ts'
import { time } from './time.ts'
import { urls } from './url.ts'

/** What the CEL specification and cel-go's extensions define. */
export function standardFunctions(patterns: CompilePattern): FunctionTable {
  return functionTable(arithmetic, conversions, time, strings, collections, math, encoders, regex(patterns))
}

export interface KubernetesOptions {
  readonly patterns: CompilePattern
  /** Rules for names of objects, by the name of their format. */
  readonly formats: { readonly [name: string]: FormatRule }
}

/** The standard functions and those Kubernetes adds to them (apiserver pkg/cel/library). */
export function kubernetesFunctions({ patterns, formats }: KubernetesOptions): FunctionTable {
  const own = functionTable(quantity, networks, urls, semver, namedFormats(formats))
  const all = new Map(standardFunctions(patterns))
  for (const [name, overloads] of own) all.set(name, [...(all.get(name) ?? []), ...overloads])
  return all
}
