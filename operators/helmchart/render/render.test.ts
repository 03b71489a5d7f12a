import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { loadArchive } from '../chart/load.ts'
import { chartArchive } from '../chart/testing/pack.ts'
import { crdManifests } from './crds.ts'
import { installOrder, sortByKind, uninstallOrder } from './kind-order.ts'
import type { LookupQuery, Rendered, RenderRequest } from './rendered.ts'
import { cases } from './testing/cases.ts'
import {
  comparable,
  goldenFile,
  hasHelm,
  helmTemplate,
  ourTemplate,
  readGolden,
  renderCase,
  requestOf,
} from './testing/helm.ts'

// UPDATE_GOLDEN=1 npm test -- operators/helmchart/render, with the real Helm at hand, writes testing/testdata/golden/ anew.
if (hasHelm && process.env.UPDATE_GOLDEN === '1')
  for (const given of cases) {
    mkdirSync(dirname(goldenFile(given.name)), { recursive: true })
    writeFileSync(goldenFile(given.name), helmTemplate(given))
  }

describe('prints what Helm 4 prints', () => {
  test.each(cases.map(given => [given.name, given] as const))('%s', (name, given) => {
    expect(comparable(ourTemplate(given))).toBe(comparable(readGolden(name)))
  })
})

if (hasHelm)
  test('the files in testing/testdata/golden/ are what Helm prints', () => {
    const changed = cases.filter(given => comparable(helmTemplate(given)) !== comparable(readGolden(given.name)))
    expect(changed.map(({ name }) => name)).toEqual([])
  }, 60_000)
else test('needs Helm 4', () => console.info('skipped: no .tools/test/helm4/helm (scripts/oracles.sh builds it)'))

/** A chart of one's own for what a golden file cannot show. */
function request(files: { readonly [path: string]: string }, values: RenderRequest['values'] = {}): RenderRequest {
  const chart = loadArchive(
    chartArchive('web', { 'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n', ...files }),
  )
  return { ...requestOf({ name: 'x', chart: 'crds' }), chart, values }
}

function rendered(given: RenderRequest, lookup?: (query: LookupQuery) => null): Rendered {
  const outcome = renderCase(given, lookup)
  if (outcome.kind !== 'rendered') throw new Error('unanswered lookups')
  return outcome.rendered
}

test('hooks carry what their annotations say', () => {
  const { hooks, manifests } = rendered(requestOf({ name: 'hooks', chart: 'hooks' }))
  const many = hooks.find(({ object }) => object.metadata.name === 'many')
  expect(many).toMatchObject({
    source: 'hooks/templates/many.yaml',
    events: ['pre-install', 'post-upgrade'],
    weight: 7,
    deletePolicies: ['before-hook-creation', 'hook-succeeded', 'hook-failed'],
    outputLogPolicies: ['hook-failed', 'hook-succeeded'],
  })
  expect(hooks.find(({ object }) => object.metadata.name === 'test-success')?.events).toEqual(['test'])
  expect(hooks.find(({ object }) => object.metadata.name === 'first-by-kind')?.weight).toBe(0)
  expect(hooks.map(({ object }) => object.metadata.name)).not.toContain('unknown-event')
  expect(manifests.map(({ object }) => object.metadata.name)).toEqual(['no-hook'])
})

test('CRDs are listed, never rendered, also without rendering the rest', () => {
  const given = requestOf({ name: 'crds', chart: 'crds' })
  const names = ['a.example.com', 'b.example.com', 'c.example.com', '{{ not rendered }}']
  expect(rendered(given).crds.map(({ object }) => object.metadata.name)).toEqual(names)
  expect(crdManifests(given).map(({ source }) => source)).toEqual([
    'crds/crds/a.json',
    'crds/crds/b.yaml',
    'crds/crds/b.yaml',
    'crds/crds/sub/d.YML',
  ])
  const umbrella = (file: string) => crdManifests(requestOf({ name: 'u', chart: 'umbrella', file }))
  expect(umbrella('').map(({ source }) => source)).toEqual(['umbrella/charts/third/charts/fourth/crds/crd.yaml'])
})

test('only the notes of the chart itself are shown', () => {
  expect(rendered(requestOf({ name: 'u', chart: 'umbrella' })).notes).toBe('root notes {"here":{"a":1,"b":{"c":2}}}\n')
})

test('what does not fit is warned of', () => {
  const warnings: string[] = []
  const file = 'first: {enabled: "text"}\nthird: {deep: 5}\nglobal: x\n'
  renderCase(
    requestOf({ name: 'u', chart: 'umbrella', file }),
    () => null,
    message => warnings.push(message),
  )
  expect(warnings).toContain('returned non-bool value path=first.enabled chart=first')
  expect(warnings).toContain('warning: skipping globals because source global is not a table.')
  expect(warnings.some(text => text.includes('umbrella.third.deep'))).toBe(true)
  const old = request({ 'Chart.yaml': 'name: web\nversion: 1.0.0\ndeprecated: true\n' })
  renderCase(
    old,
    () => null,
    message => warnings.push(message),
  )
  expect(warnings.at(-1)).toBe('this chart is deprecated')
})

describe('lookup', () => {
  const files = {
    'templates/a.yaml': 'a: {{ (lookup "v1" "Secret" "ns" "one").data.x | default "none" }}',
    'templates/b.yaml':
      'b: {{ range (lookup "v1" "Pod" "" "").items }}{{ .metadata.name }} {{ printf "%d %v" .spec.n .spec.f }};{{ end }}',
    'templates/c.yaml':
      '{{ if lookup "v1" "Secret" "ns" "two" }}{{ fail "half an answer" }}{{ end }}c: {{ lookup "v1" "Secret" "ns" "two" | toJson }}',
  }
  const one = { apiVersion: 'v1', kind: 'Secret', namespace: 'ns', name: 'one' }
  const pods = { apiVersion: 'v1', kind: 'Pod', namespace: '', name: '' }
  const two = { ...one, name: 'two' }

  test('unknown answers are asked for, all at once', () => {
    expect(renderCase(request(files), () => undefined)).toEqual({ kind: 'lookups', queries: [two, pods, one] })
  })

  test('failures that may come of a missing answer wait for it', () => {
    const given = request({ ...files, 'templates/z.yaml': '{{ fail "z" }}', 'templates/0.yaml': '{{ fail "0" }}' })
    expect(() => renderCase(given, () => null)).toThrow('execution error at (web/templates/z.yaml:1:3): z')
    expect(renderCase(request({ ...files, 'templates/0.yaml': '{{ fail "0" }}' }), () => undefined).kind).toBe(
      'lookups',
    )
  })

  test('answers reach the templates, integers as such', () => {
    const outcome = renderCase(request(files), ({ kind, name }) => {
      if (kind === 'Pod') return { items: [{ metadata: { name: 'p' }, spec: { n: 5, f: 1.5 } }] }
      return name === 'one' ? { data: { x: 'eA==' } } : null
    })
    expect(outcome.kind === 'rendered' && outcome.rendered.manifest).toBe(
      '---\n# Source: web/templates/a.yaml\na: eA==\n---\n# Source: web/templates/b.yaml\nb: p 5 1.5;\n---\n# Source: web/templates/c.yaml\nc: {}\n',
    )
  })
})

test('a template that includes itself ends with one line', () => {
  const loop = '{{ define "loop" }}{{ include "loop" . }}{{ end }}'
  expect(() => rendered(request({ 'templates/a.yaml': `${loop}{{ include "loop" . }}` }))).toThrow(
    /^execution error at \(web\/templates\/a.yaml:1:53\): (rendering template has a nested reference name: loop: unable to execute template|templates or values are nested too deeply)$/,
  )
})

test('rendering changes neither chart nor values', () => {
  const given = request(
    {
      'values.yaml': 'map: {a: 1}',
      'templates/a.yaml': '{{ $_ := set .Values.map "b" 2 }}{{ $_ := set .Values "c" 3 }}map: {{ toJson .Values }}',
    },
    { map: { z: 1 } },
  )
  const before = structuredClone(given)
  expect(rendered(given).manifest).toBe(rendered(given).manifest)
  expect(given).toEqual(before)
})

test('uninstall order; unknown kinds come last and by name', () => {
  const kinds = ['Zebra', 'ConfigMap', 'Service', 'Alpha', 'Deployment', 'Namespace']
  expect(sortByKind(kinds, installOrder, kind => kind)).toEqual([
    'Namespace',
    'ConfigMap',
    'Service',
    'Deployment',
    'Alpha',
    'Zebra',
  ])
  expect(sortByKind(kinds, uninstallOrder, kind => kind)).toEqual([
    'Service',
    'Deployment',
    'ConfigMap',
    'Namespace',
    'Alpha',
    'Zebra',
  ])
})
