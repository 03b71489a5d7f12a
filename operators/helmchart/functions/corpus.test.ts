/**
 * Holds the template language and all functions against what Helm 4.1.4's own engine made of generated templates: calls of
 * every function with arguments that fit and that do not, control structures right and wrong, YAML read and written. Recorded
 * once with a small Go program around helm.sh/helm/v4/pkg/engine, over testdata/values.json.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { evaluate, type Outcome } from './testing/evaluate.ts'

interface Recorded {
  readonly template: string
  readonly output?: string
  readonly error?: string
}

const recorded: readonly Recorded[] = readFileSync(join(import.meta.dirname, 'testdata/helm-4.1.4.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)

function asOutcome({ output, error }: Recorded): Outcome {
  return output === undefined ? { error: error! } : { output }
}

test(`agrees with Helm 4.1.4 on ${recorded.length} templates`, () => {
  const different = recorded.flatMap(entry => {
    const [wanted, got] = [asOutcome(entry), evaluate(entry.template)]
    return JSON.stringify(wanted) === JSON.stringify(got) ? [] : [{ template: entry.template, wanted, got }]
  })
  expect(different).toEqual([])
  expect(recorded.length).toBeGreaterThan(1500)
})
