/** Runs one template the way Helm does, over the values of testdata/values.json. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execute } from '../../render/engine.ts'
import { filesValue } from '../../render/files.ts'
import { bytesOf } from '../../template/bytes.ts'
import type { GoMap, GoType } from '../../template/values.ts'
import { typed, types } from '../../template/values.ts'
import { type FunctionEffects, helmFunctions } from '../index.ts'
import { toYaml } from '../yaml.ts'

export const valuesFile = join(import.meta.dirname, '../testdata/values.json')
export const chartFiles: readonly { readonly name: string; readonly data: Uint8Array }[] = [
  { name: 'a.txt', data: Buffer.from('hello\nworld\n') },
]

const values = JSON.parse(readFileSync(valuesFile, 'utf8')) as object
const valuesType: GoType = { name: 'common.Values', kind: 'map', element: types.any }

/** 2024-03-05 14:15:16.789 and bytes that count up: nothing a test sees is left to chance. */
const effects: FunctionEffects = {
  now: () => Date.UTC(2024, 2, 5, 14, 15, 16, 789),
  randomBytes: count => Uint8Array.from({ length: count }, (_, index) => index),
}
const functions = helmFunctions(effects)

export type Outcome = { readonly output: string } | { readonly error: string }

/** What the template "c/templates/t" comes to. Bytes that are no UTF-8 come out as U+FFFD. */
export function evaluate(text: string): Outcome {
  const scope: GoMap = typed(
    {
      Values: structuredClone(values),
      Release: { Name: 'r', Namespace: 'ns', IsInstall: true, IsUpgrade: false, Revision: 1n, Service: 'Helm' },
      Files: filesValue(chartFiles, toYaml),
    },
    valuesType,
  )
  const name = 'c/templates/t'
  try {
    const result = execute([{ name, text, basePath: 'c/templates', scope }], functions, () => null)
    if (result.kind !== 'files') return { error: 'the template looks something up' }
    return { output: Buffer.from(bytesOf(result.files.get(name)!)).toString('utf8') }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

/** The output, or the error marked as such. */
export function evaluated(text: string): string {
  const outcome = evaluate(text)
  return 'output' in outcome ? outcome.output : `error: ${outcome.error}`
}
