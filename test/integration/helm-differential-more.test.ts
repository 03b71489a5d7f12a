/** Less common actions, compared with Helm 4 (helm-pair.ts). */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { namespaces, secrets } from '../../bootstrap/client/resources.ts'
import { loadDirectory } from '../../operators/helmchart/chart/directory.ts'
import { renderer } from '../../operators/helmchart/job/rendering.ts'
import { configMap, gadgets, yaml } from '../../operators/helmchart/release/testing/charts.ts'
import {
  asHelm,
  gadgetKind,
  helm,
  here,
  install,
  job,
  meanwhile,
  neutral,
  rollback,
  same,
  settings,
  sides,
  state,
  uninstall,
  upgrade,
  web,
  withoutChance,
} from './helm-pair.ts'

asHelm(() => {
  describe.each(sides)('less common things, server-side %s', serverSide => {
    const gadget = (spec: object, metadata: object = {}) =>
      yaml({ apiVersion: 'diff.example.com/v1', kind: 'Gadget', metadata: { name: 'gadget', ...metadata }, spec })

    test('custom resources', () =>
      same(
        install([gadget({ list: [1, 2], map: { a: 1, b: 2 }, gone: true })], { serverSide }),
        meanwhile(namespace =>
          here.bed.api.patch(
            gadgetKind,
            { name: 'gadget', namespace },
            { metadata: { labels: { theirs: 'yes' } }, spec: { theirs: 1, map: { c: 3 } } },
            { type: 'merge', fieldManager: 'somebody' },
          ),
        ),
        upgrade([gadget({ list: [2], map: { b: 3 } })]),
        upgrade([gadget({ list: [2], map: null })]),
        rollback(1),
        uninstall(),
      ))

    test('a custom resource that is taken over', () =>
      same(
        meanwhile(namespace =>
          here.bed.api.create(
            gadgetKind,
            {
              apiVersion: 'diff.example.com/v1',
              kind: 'Gadget',
              metadata: { name: 'gadget', namespace },
              spec: { a: 1, b: 2 },
            },
            { fieldManager: 'somebody' },
          ),
        ),
        install([gadget({ a: 1, c: 3 })], { serverSide, takeOwnership: true }),
        upgrade([gadget({ a: 2 })]),
      ))

    test('lists of objects, and objects without hooks', () =>
      same(
        install(
          [
            yaml({
              apiVersion: 'v1',
              kind: 'List',
              items: [JSON.parse(settings({ a: '1' })), JSON.parse(configMap('two', { b: '2' }))],
            }),
            job('never', 'pre-install'),
          ],
          { serverSide, skipHooks: true },
        ),
        upgrade([settings({ a: '2' }), job('never', 'pre-upgrade')], { skipHooks: true }),
        uninstall({ skipHooks: true }),
      ))

    test('an upgrade after an install that failed', () =>
      same(
        install([settings({ a: '1' }), web({ replicas: -1 })], { serverSide }),
        upgrade([settings({ a: '2' }), web()]),
        rollback(1),
        rollback(2),
      ))

    test('a rollback after an upgrade that failed', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide }),
        upgrade([settings({ a: '2' }), web({ replicas: -1 }), configMap('new', { b: '1' })]),
        rollback(1),
        upgrade([settings({ a: '3' })]),
      ))

    test('hooks that are pods, and a hook the server refuses', () =>
      same(
        install([settings({ a: '1' }), hookPod('pod', 'pre-upgrade')], { serverSide }),
        upgrade([settings({ a: '2' }), hookPod('BAD', 'pre-upgrade')]),
        upgrade([settings({ a: '3' }), job('never', 'post-upgrade', { 'helm.sh/hook-delete-policy': 'hook-failed' })]),
        upgrade([settings({ a: '4' }), job('never', 'post-upgrade', { 'helm.sh/hook-delete-policy': 'hook-failed' })]),
      ))

    test('values kept from the revision before', () =>
      same(
        install([settings({ a: '1' })], { serverSide, values: { color: 'red', size: 'big' } }),
        upgrade([settings({ a: '1' })]),
        upgrade([settings({ a: '1' })], { values: { color: 'green' } }),
      ))
  })

  const hookPod = (name: string, events: string) =>
    yaml({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, annotations: { 'helm.sh/hook': events } },
      spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] },
    })

  test('a namespace that is made', async () => {
    const step = install([settings({})], { createNamespace: true })
    await step.helm('made-theirs')
    await step.ours(here.bed.engine(), 'made-ours')
    const made = async (name: string) => neutral(name, withoutChance(await here.bed.api.get(namespaces, { name })))
    expect(await made('made-ours')).toEqual(await made('made-theirs'))
  })

  test('a chart with everything in it is stored alike, to the byte', async () => {
    const folder = join(here.directory, 'big')
    for (const [name, text] of Object.entries(big)) {
      await mkdir(join(folder, name, '..'), { recursive: true })
      await writeFile(join(folder, name), text)
    }
    const [theirs, ours] = [await here.bed.namespace(), await here.bed.namespace()]
    const values = { child: { color: 'red' }, list: [1, 2.5, 1e21], nothing: null }
    await writeFile(join(here.directory, 'values.json'), JSON.stringify(values))
    await helm('install', 'app', folder, '-n', theirs, '-f', join(here.directory, 'values.json'))
    const engine = here.bed.engine({ render: renderer({ warn() {} }) })
    await engine.install({ name: 'app', namespace: ours, chart: loadDirectory(folder), values })
    expect(await stored(ours)).toEqual(await stored(theirs))
    expect(neutral(ours, (await state(ours)) as object)).toEqual(neutral(theirs, (await state(theirs)) as object))
  })

  /** A release's JSON as it is stored, with its times and the chart's file times left out. */
  async function stored(namespace: string): Promise<string> {
    const record = await here.bed.api.get(secrets, { name: 'sh.helm.release.v1.app.v1', namespace })
    const packed = Buffer.from(record.data?.release ?? '', 'base64').toString()
    return gunzipSync(Buffer.from(packed, 'base64'))
      .toString()
      .replace(/,"modtime":"[^"]*"/g, '')
      .replace(/"schemamodtime":"[^"]*"/, '"schemamodtime":""')
      .replace(/"(first_deployed|last_deployed|started_at|completed_at)":"[^"]*"/g, '"$1":""')
      .replaceAll(namespace, 'NAMESPACE')
  }
}, false)

const big: { readonly [path: string]: string } = {
  'Chart.yaml': `apiVersion: v2
name: big
version: 1.2.3
appVersion: 2
description: All of it
keywords: [a, b]
maintainers: [{name: me, email: me@example.com}]
annotations: {a: b}
dependencies:
- {name: child, version: 0.1.0, repository: "", alias: kid, condition: kid.on, import-values: [{child: exported, parent: imported}]}
- {name: child, version: 0.1.0, repository: "", tags: [off]}
- {name: other, version: 0.1.0, repository: "", condition: other.enabled}
`,
  'values.yaml':
    'tags: {off: false}\nkid: {on: true}\nother: {enabled: false}\nnumber: 3\nfloat: 1.50\nnothing: here\n',
  'values.schema.json': '{"type": "object"}\n',
  'README.md': '# Big\n<b>&</b>\n',
  'data/x.bin': '\u0000\u0001',
  'crds/gadget.yaml': gadgets('big.example.com'),
  'templates/_helpers.tpl': '{{ define "name" }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}\n',
  'templates/NOTES.txt': 'Hello {{ include "name" . }} at {{ .Release.Revision }}.\n',
  'templates/all.yaml': `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ include "name" . }}}
data:
  number: {{ .Values.number | quote }}
  imported: {{ .Values.imported | toJson | quote }}
  readme: {{ .Files.Get "README.md" | quote }}
  gadget: {{ .Capabilities.APIVersions.Has "big.example.com/v1/Gadget" | quote }}
  live: {{ (lookup "v1" "ConfigMap" .Release.Namespace "none") | toJson | quote }}
---
apiVersion: big.example.com/v1
kind: Gadget
metadata: {name: g}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: hooked
  annotations: {helm.sh/hook: "pre-install, post-upgrade", helm.sh/hook-weight: "3", helm.sh/hook-delete-policy: "hook-succeeded,before-hook-creation"}
`,
  'charts/child/Chart.yaml': 'apiVersion: v2\nname: child\nversion: 0.1.0\n',
  'charts/child/values.yaml': 'color: blue\nexported: {x: 1}\n',
  'charts/child/templates/c.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {color: {{ .Values.color | quote }}}\n',
  'charts/other/Chart.yaml': 'apiVersion: v2\nname: other\nversion: 0.1.0\n',
  'charts/other/crds/never.yaml': gadgets('never.example.com'),
}
