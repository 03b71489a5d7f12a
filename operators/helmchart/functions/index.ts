/** All functions Helm gives the templates of a chart, except those that need the engine: include, tpl, required, lookup. */
import { randomBytes } from 'node:crypto'
import { type FunctionTable, goFunction } from '../template/functions.ts'
import { certificateFunctions } from './certificates.ts'
import { cryptoFunctions } from './crypto.ts'
import { dateFunctions } from './dates.ts'
import { choiceFunctions } from './defaults.ts'
import { dictFunctions } from './dicts.ts'
import { encodingFunctions } from './encodings.ts'
import { jsonFunctions } from './json.ts'
import { listFunctions } from './lists.ts'
import { mathFunctions } from './math.ts'
import { pathFunctions } from './paths.ts'
import { randomBelow, randomFunctions } from './random.ts'
import { regexFunctions } from './regex.ts'
import { semverFunctions } from './semver.ts'
import { stringFunctions } from './strings.ts'
import { tomlFunctions } from './toml.ts'
import { urlFunctions } from './urls.ts'
import { yamlFunctions } from './yaml.ts'

/** What these functions need of the world. */
export interface FunctionEffects {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly randomBytes: (count: number) => Uint8Array
}

const real: FunctionEffects = { now: Date.now, randomBytes }

/** Sprig's and Helm's functions, `fail` and `getHostByName` (always empty) among them; no env, no expandenv. */
export function helmFunctions({ now, randomBytes: random }: FunctionEffects = real): FunctionTable {
  return {
    ...stringFunctions,
    ...choiceFunctions,
    ...listFunctions,
    ...dictFunctions,
    ...mathFunctions(limit => randomBelow(limit, random)),
    ...dateFunctions(now),
    ...encodingFunctions,
    ...jsonFunctions,
    ...yamlFunctions,
    ...tomlFunctions,
    ...pathFunctions,
    ...urlFunctions,
    ...regexFunctions,
    ...semverFunctions,
    ...cryptoFunctions(random),
    ...certificateFunctions(now),
    ...randomFunctions(random),
    getHostByName: goFunction('string -> string', () => ''),
  }
}
