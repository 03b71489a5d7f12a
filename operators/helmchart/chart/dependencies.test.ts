import { expect, test } from '@jest/globals'
import type { Chart } from './chart.ts'
import { coalesceValues } from './coalesce.ts'
import { resolveDependencies } from './dependencies.ts'
import { loadArchive } from './load.ts'
import type { Table } from './tables.ts'
import { chartArchive } from './testing/pack.ts'

// The expectations are what Helm 4.1.4's own packages answered for the same charts.

function effective(files: { readonly [path: string]: string }, values: Table = {}): { values: Table; names: string[] } {
  const chart = loadArchive(chartArchive('top', files))
  const resolved = resolveDependencies(chart, values, () => undefined)
  return { values: coalesceValues(resolved, values, () => undefined), names: namesOf(resolved) }
}

function namesOf({ dependencies }: Chart): string[] {
  return dependencies.flatMap(sub => [sub.metadata.name, ...namesOf(sub).map(name => `${sub.metadata.name}/${name}`)])
}

const top = (dependencies: string) => `{name: top, version: 1.0.0, apiVersion: v2, dependencies: ${dependencies}}`
const sub = (name: string, more = '') => `{name: ${name}, version: 1.0.0, apiVersion: v2${more}}`

test('without declared dependencies a null among the defaults stays', () => {
  const files = {
    'Chart.yaml': top('[]'),
    'charts/other/Chart.yaml': sub('other', ', dependencies: []'),
    'charts/other/values.yaml': '{none: null, a: 1}',
  }
  expect(effective(files).values).toEqual({ other: { none: null, a: 1, global: {} } })
  expect(effective(files, { other: { a: null } }).values).toEqual({ other: { none: null, global: {} } })
})

test('conditions are looked up in the values of all charts, below the names of their parents', () => {
  const files = {
    'Chart.yaml': top('[{name: a, version: "*", condition: a.use}]'),
    'charts/a/Chart.yaml': sub('a', ', dependencies: [{name: b, version: "*", condition: "b.use,x"}]'),
    'charts/a/values.yaml': '{use: true, b: {use: false}}',
    'charts/a/charts/b/Chart.yaml': sub('b'),
  }
  expect(effective(files).names).toEqual(['a'])
  expect(effective(files, { a: { b: { use: true } } }).names).toEqual(['a', 'a/b'])
  expect(effective(files, { a: { use: false } }).names).toEqual([])
})

test('a dependency whose version does not fit is no dependency, but its chart is there all the same', () => {
  const files = {
    'Chart.yaml': top('[{name: a, version: ">=2", alias: other, condition: use}]'),
    'charts/a/Chart.yaml': sub('a'),
  }
  expect(effective(files, { use: false }).names).toEqual(['a'])
})

test('imports lose to the parent, and win over nothing else', () => {
  const files = {
    'Chart.yaml': top('[{name: a, version: "*", import-values: [data, {child: deep.er, parent: x.y}]}]'),
    'values.yaml': '{kept: parent, gone: null}',
    'charts/a/Chart.yaml': sub('a'),
    'charts/a/values.yaml': '{exports: {data: {kept: child, gone: child, new: child}}, deep: {er: {z: 1}}}',
  }
  const { values } = effective(files, { a: { exports: { data: { new: 'unseen' } } } })
  expect(values).toMatchObject({ kept: 'parent', gone: null, new: 'child', x: { y: { z: 1 } } })
})

test('what is meant for a subchart must be a table', () => {
  const files = { 'Chart.yaml': top('[]'), 'charts/a/Chart.yaml': sub('a') }
  expect(() => effective(files, { a: 'text' })).toThrow(
    'chart dependencies processing failed: type mismatch on a: %!t(string=text)',
  )
})
