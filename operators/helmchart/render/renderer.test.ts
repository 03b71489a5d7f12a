import { afterEach, expect, test } from '@jest/globals'
import { chartArchive } from '../chart/testing/pack.ts'
import type { LookupQuery, RenderOutcome, RenderRequest } from './rendered.ts'
import { openRenderer, type Renderer } from './renderer.ts'

const open: Renderer[] = []
afterEach(async () => {
  for (const renderer of open.splice(0)) await renderer.close()
})

function start(signal = new AbortController().signal, warnings: string[] = [], memoryMb = 1024): Renderer {
  const renderer = openRenderer({ signal, warn: message => warnings.push(message), memoryMb })
  open.push(renderer)
  return renderer
}

const archive = (files: { readonly [path: string]: string }) =>
  chartArchive('web', { 'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n', ...files })

async function requestFor(renderer: Renderer, files: { readonly [path: string]: string }): Promise<RenderRequest> {
  return {
    chart: await renderer.load(archive(files), 'web.tgz'),
    values: { port: 8080n },
    release: { name: 'rel', namespace: 'default', revision: 1, isInstall: true, isUpgrade: false },
    capabilities: { kubeVersion: 'v1.36.0', apiVersions: ['v1'] },
  }
}

function manifestOf(outcome: RenderOutcome): string {
  if (outcome.kind !== 'rendered') throw new Error('unanswered lookups')
  return outcome.rendered.manifest
}

test('it loads and renders, again and again', async () => {
  const warnings: string[] = []
  const renderer = start(undefined, warnings)
  const request = await requestFor(renderer, {
    'values.yaml': 'port: {}\n',
    'templates/a.yaml': 'port: {{ .Values.port }} {{ kindOf .Values.port }}',
  })
  for (let turn = 0; turn < 2; turn++)
    expect(manifestOf(await renderer.render(request, () => null))).toBe(
      '---\n# Source: web/templates/a.yaml\nport: 8080 int64\n',
    )
  await expect(renderer.load(Buffer.from('hello'), 'x.tgz')).rejects.toThrow(
    "file 'x.tgz' does not appear to be a gzipped archive; got 'text/plain; charset=utf-8'",
  )
  const failing = await requestFor(renderer, { 'templates/a.yaml': '{{ fail "no" }}' })
  await expect(renderer.render(failing, () => null)).rejects.toThrow(
    'execution error at (web/templates/a.yaml:1:3): no',
  )
})

test('known answers are given at once, unknown ones asked for', async () => {
  const renderer = start()
  const request = await requestFor(renderer, {
    'templates/a.yaml': 'a: {{ (lookup "v1" "Secret" "x" (lookup "v1" "Secret" "x" "first").next).value }}',
  })
  const objects = new Map([['first', { next: 'second' }]])
  const lookup = ({ name }: LookupQuery) => objects.get(name) as never
  const query = { apiVersion: 'v1', kind: 'Secret', namespace: 'x', name: 'second' }
  expect(await renderer.render(request, lookup)).toEqual({ kind: 'lookups', queries: [query] })
  objects.set('second', { value: 'found' } as never)
  expect(manifestOf(await renderer.render(request, lookup))).toContain('a: found')
})

test('includes may be nested as deep as Helm lets them', async () => {
  const renderer = start()
  const count = '{{ define "n" }}{{ if gt (int .) 0 }}{{ include "n" (sub (int .) 1) }}{{ else }}end{{ end }}{{ end }}'
  const deep = await requestFor(renderer, { 'templates/a.yaml': `${count}a: {{ include "n" 950 }}` })
  expect(manifestOf(await renderer.render(deep, () => null))).toContain('a: end')
  const loop = '{{ define "loop" }}{{ include "loop" . }}{{ end }}{{ include "loop" . }}'
  const endless = await requestFor(renderer, { 'templates/a.yaml': loop })
  await expect(renderer.render(endless, () => null)).rejects.toThrow(
    'execution error at (web/templates/a.yaml:1:53): rendering template has a nested reference name: loop: unable to execute template',
  )
})

test('a template without end is stopped from outside', async () => {
  const aborter = new AbortController()
  const renderer = start(aborter.signal)
  const request = await requestFor(renderer, {
    'templates/a.yaml': '{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}',
  })
  const rendering = renderer.render(request, () => null)
  aborter.abort()
  await expect(rendering).rejects.toThrow('the renderer has ended')
  await expect(renderer.load(archive({}))).rejects.toThrow('the renderer has ended')
})

test('a chart that wants too much memory does not take the server with it', async () => {
  const renderer = start(undefined, [], 64)
  const request = await requestFor(renderer, {
    'templates/a.yaml': '{{ $x := list "x" }}{{ range until 40 }}{{ $x = concat $x $x }}{{ end }}',
  })
  await expect(renderer.render(request, () => null)).rejects.toThrow(
    'rendering the chart takes more memory than it may have',
  )
}, 60_000)
