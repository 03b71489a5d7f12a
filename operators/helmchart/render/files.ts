/** `.Files`: the files of a chart that are no templates, by name, with Helm's methods. */
import { posix } from 'node:path'
import type { ChartFile } from '../chart/chart.ts'
import { textOf } from '../template/bytes.ts'
import { type FunctionTable, goFunction } from '../template/functions.ts'
import { type GoMap, type GoType, typed, types } from '../template/values.ts'
import { globMatcher } from './glob.ts'

const filesType: GoType = { name: 'engine.files', kind: 'map', element: types.bytes }

/** Writes a map as YAML, as the template function toYaml does. */
export type ToYaml = (value: GoMap) => string

/** The files as template value. `toYaml` serves AsConfig and AsSecrets. */
export function filesValue(files: readonly ChartFile[], toYaml: ToYaml): GoMap {
  return filesOf(new Map(files.map(({ name, data }) => [name, data])), toYaml)
}

type Contents = ReadonlyMap<string, Uint8Array>

function filesOf(contents: Contents, toYaml: ToYaml): GoMap {
  return typed(Object.fromEntries(contents), filesType, { methods: methodsOf(contents, toYaml) })
}

function methodsOf(contents: Contents, toYaml: ToYaml): FunctionTable {
  const bytes = (name: string) => contents.get(name) ?? new Uint8Array()
  const byBaseName = (encode: (data: Uint8Array) => string) =>
    toYaml(
      typed(
        Object.fromEntries([...contents].map(([name, data]) => [posix.basename(name), encode(data)])),
        types.stringDict,
      ),
    )
  return {
    Get: goFunction('string -> string', (name: string) => textOf(bytes(name))),
    GetBytes: goFunction('string -> bytes', bytes),
    Glob: goFunction('string -> files', (pattern: string) => filesOf(matching(contents, pattern), toYaml), {
      files: filesType,
    }),
    AsConfig: goFunction('-> string', () => byBaseName(textOf)),
    AsSecrets: goFunction('-> string', () => byBaseName(data => Buffer.from(data).toString('base64'))),
    Lines: goFunction('string -> strings', (name: string) => linesOf(contents.get(name))),
  }
}

function matching(contents: Contents, pattern: string): Contents {
  const matches = globMatcher(pattern)
  return new Map([...contents].filter(([name]) => matches(name)))
}

function linesOf(data: Uint8Array | undefined): string[] {
  return data === undefined ? [] : textOf(data).replace(/\n$/, '').split('\n')
}
