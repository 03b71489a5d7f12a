/** Sprig's functions over maps. Those that change a map change the one they are given. */

import { parseVersion } from '../semver.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import {
  annotationOf,
  entry,
  type GoMap,
  GoStruct,
  type GoValue,
  isMap,
  isNilContainer,
  setEntry,
  typed,
  typeOf,
} from '../template/values.ts'
import { textOfValue } from './cast.ts'
import { isEmptyValue } from './defaults.ts'
import { goVersion, versionType } from './semver.ts'

const merge = goFunction('dict, ...dict -> any', (target: GoMap, ...sources: GoMap[]) =>
  mergeAll(target, sources, false),
)
const mergeOverwrite = goFunction('dict, ...dict -> any', (target: GoMap, ...sources: GoMap[]) =>
  mergeAll(target, sources, true),
)
const copy = goFunction('any -> any', (value: GoValue) => {
  if (value === null) throw new GoError('reflect: call of reflect.Value.Type on zero Value')
  return deepCopy(value)
})

export const dictFunctions: FunctionTable = {
  dict: goFunction('...any -> dict', makeDict),
  get: goFunction('dict, string -> any', (map: GoMap, key: string) => (Object.hasOwn(map, key) ? map[key] : '')),
  set: goFunction('dict, string, any -> dict', (map: GoMap, key: string, value: GoValue) => {
    if (isNilContainer(map)) throw new GoError('assignment to entry in nil map')
    setEntry(map, key, value)
    return map
  }),
  unset: goFunction('dict, string -> dict', (map: GoMap, key: string) => {
    delete map[key]
    return map
  }),
  hasKey: goFunction('dict, string -> bool', (map: GoMap, key: string) => Object.hasOwn(map, key)),
  pluck: goFunction('string, ...dict -> list', (key: string, ...maps: GoMap[]) =>
    maps.filter(map => Object.hasOwn(map, key)).map(map => map[key]),
  ),
  // Go's order is random; sorted is one of them.
  keys: goFunction('...dict -> strings', (...maps: GoMap[]) => maps.flatMap(map => Object.keys(map).sort())),
  values: goFunction('dict -> list', (map: GoMap) =>
    Object.keys(map)
      .sort()
      .map(key => map[key]),
  ),
  pick: goFunction('dict, ...string -> dict', (map: GoMap, ...keys: string[]) =>
    select(map, key => keys.includes(key)),
  ),
  omit: goFunction('dict, ...string -> dict', (map: GoMap, ...keys: string[]) =>
    select(map, key => !keys.includes(key)),
  ),
  merge,
  mustMerge: merge,
  mergeOverwrite,
  mustMergeOverwrite: mergeOverwrite,
  deepCopy: copy,
  mustDeepCopy: copy,
  dig: goFunction('...any -> any', dig),
}

function makeDict(...pairs: GoValue[]): GoMap {
  const map: GoMap = {}
  for (let index = 0; index < pairs.length; index += 2)
    setEntry(map, textOfValue(pairs[index]), index + 1 < pairs.length ? pairs[index + 1] : '')
  return map
}

function select(map: GoMap, wanted: (key: string) => boolean): GoMap {
  const chosen: GoMap = {}
  for (const key of Object.keys(map)) if (wanted(key)) setEntry(chosen, key, map[key])
  return chosen
}

function mergeAll(target: GoMap, sources: readonly GoMap[], overwrite: boolean): GoValue {
  const result = isNilContainer(target) && sources.some(source => !isNilContainer(source)) ? {} : target
  for (const source of sources) mergeInto(result, source, overwrite)
  return result
}

/**
 * mergo's merge of maps: nested maps merge, what is missing or empty in the target is taken from the source, and everything
 * else only when overwriting. What is taken is shared with the source, not copied.
 */
function mergeInto(target: GoMap, source: GoMap, overwrite: boolean): void {
  const wasEmpty = Object.keys(target).length === 0
  for (const key of Object.keys(source)) {
    const offered = source[key]
    if (offered === null || offered === undefined) {
      if (overwrite) setEntry(target, key, null)
      continue
    }
    const present = entry(target, key)
    if (isMap(offered) && isMap(present)) mergeInto(present, offered, overwrite)
    if (isEmptyForMerge(present) || overwrites(present, offered, overwrite, wasEmpty)) setEntry(target, key, offered)
  }
}

function overwrites(present: GoValue, offered: GoValue, overwrite: boolean, targetWasEmpty: boolean): boolean {
  if (Array.isArray(offered)) return overwrite || targetWasEmpty
  return overwrite && !(isMap(offered) && isMap(present))
}

function isEmptyForMerge(value: GoValue): boolean {
  return isEmptyValue(value)
}

export function deepCopy(value: GoValue): GoValue {
  if (typeof value !== 'object' || value === null) return value
  // The library cannot copy a version's private fields: the copy is 0.0.0, as upstream.
  if (value instanceof GoStruct) return value.type.name === versionType.name ? goVersion(parseVersion('0.0.0')!) : value
  if (value instanceof Uint8Array) return value.slice()
  const annotation = annotationOf(value)
  const keep = <T extends object>(copied: T): T =>
    annotation
      ? typed(copied, annotation.type, {
          ...(annotation.methods && { methods: annotation.methods }),
          ...(annotation.nil && { nil: true }),
        })
      : copied
  if (Array.isArray(value)) return keep(value.map(deepCopy))
  if (!isMap(value)) return value
  const copied: GoMap = {}
  for (const key of Object.keys(value)) setEntry(copied, key, deepCopy(value[key]))
  return keep(copied)
}

function dig(...path: GoValue[]): GoValue {
  if (path.length < 3) throw new GoError('dig needs at least three arguments')
  const standard = path.at(-2)
  let step: GoValue = path.at(-1)
  asDict(step)
  const keys = path.slice(0, -2).map(asText)
  for (const key of keys) {
    const map = asDict(step)
    if (!Object.hasOwn(map, key)) return standard
    step = map[key]
  }
  return step
}

function asDict(value: GoValue): GoMap {
  if (isMap(value) && typeOf(value)!.name === 'map[string]interface {}') return value
  throw conversion(value, 'map[string]interface {}')
}

function asText(value: GoValue): string {
  if (typeof value === 'string') return value
  throw conversion(value, 'string')
}

function conversion(value: GoValue, wanted: string): GoError {
  return new GoError(`interface conversion: interface {} is ${typeOf(value)?.name ?? 'nil'}, not ${wanted}`)
}
