/** server/manifests as K3s' users know it: files dropped, broken, edited and deleted beside a running server. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { kubectls, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

let server: RunningServer
let kubectl: Session
const path = (name: string) => join(server.dataDir, 'server/manifests', name)
const drop = (name: string, text: string) => writeFileSync(path(name), text)

const suite = kubectls.length > 0 ? test : test.skip

beforeAll(async () => {
  server = await startServer(['--prune-manifests'])
  kubectl = await Session.open(kubectls.at(-1)!, server.kubeconfig)
})
afterAll(async () => {
  await kubectl?.close()
  await server.remove()
})

/** What a command prints, once it contains `wanted`. */
async function until(args: readonly string[], wanted: string | RegExp, tries = 200): Promise<string> {
  let last = ''
  for (let left = tries; left > 0; left--) {
    const { out, err } = await kubectl.run(args)
    last = out + err
    if (typeof wanted === 'string' ? last.includes(wanted) : wanted.test(last)) return last
    await delay(50)
  }
  throw new Error(`kubectl ${args.join(' ')} never said ${wanted}, but: ${last}`)
}

const configMap = (name: string, data = 'x') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {key: ${data}}\n`
const crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.sea.example}
spec:
  group: sea.example
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`
const events = (addon: string) =>
  kubectl.run([
    'get',
    'events',
    '-n',
    'kube-system',
    `--field-selector=involvedObject.name=${addon}`,
    '--no-headers',
    '-o',
    'custom-columns=R:.reason,T:.type,C:.source.component,N:.count',
  ])

suite('objects of a kind that the same file defines behind them are applied in the first pass', async () => {
  drop(
    'boats.yaml',
    `apiVersion: sea.example/v1\nkind: Boat\nmetadata: {name: skiff, namespace: harbour}\n---\n${crd}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: harbour}\n`,
  )
  await until(['get', 'boats', '-A'], 'skiff')
  await until(['get', 'addon', '-n', 'kube-system', 'boats', '-o', 'wide'], 'True')
  const { out } = await events('boats')
  expect(
    out
      .trim()
      .split('\n')
      .sort()
      .map(line => line.replace(/\s+/g, ' ').trim()),
  ).toEqual(['AppliedManifest Normal deploy 1', 'ApplyingManifest Normal deploy 1'])
})

suite('a broken file tells file, document and line, and its neighbour is not applied again', async () => {
  drop('good.yaml', configMap('good'))
  await until(['get', 'configmap', '-n', 'default'], 'good')
  drop('bad.yaml', `${configMap('fine')}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_A_Name}\n`)
  const said = await until(['describe', 'addon', '-n', 'kube-system', 'bad'], 'ApplyManifestFailed')
  expect(said).toMatch(
    /bad\.yaml" failed: document 2 \(line \d+\), ConfigMap Not_A_Name: ConfigMap "Not_A_Name" is invalid/,
  )
  await until(['get', 'configmap', '-n', 'default'], 'fine')
  drop('bad.yaml', `${configMap('fine')}---\nkind: {\n`)
  await until(['get', 'addon', '-n', 'kube-system', 'bad', '-o', 'wide'], 'document 2, line')
  const { out } = await events('good')
  expect(out).toMatch(/AppliedManifest\s+Normal\s+deploy\s+1/)
  rmSync(path('bad.yaml'))
})

suite('a deleted file takes its objects along with --prune-manifests, unless its Addon says otherwise', async () => {
  mkdirSync(path('apps'))
  drop('apps/gone.yml', configMap('gone'))
  drop('apps/stays.json', JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'stays' } }))
  await until(['get', 'addon', '-n', 'kube-system', '-o', 'wide'], /stays\s.*True/)
  await until(['get', 'addon', '-n', 'kube-system', '-o', 'wide'], /gone\s.*True/)
  await kubectl.run(['annotate', 'addon', '-n', 'kube-system', 'stays', 'addon.k3s.cattle.io/prune=false'])
  rmSync(path('apps'), { recursive: true })
  await until(['get', 'addon', '-n', 'kube-system', 'gone'], 'NotFound')
  const { out } = await kubectl.run(['get', 'configmap,addon', '-n', 'default'])
  expect(out).toContain('stays')
  expect(out).not.toContain('gone')
  await until(['get', 'events', '-n', 'kube-system'], 'DeletingManifest')
})

suite('an edit of a packaged file is refused with a pointer to what is right', async () => {
  const before = readFileSync(path('coredns.yaml'), 'utf8')
  drop('coredns.yaml', before.replace(/kind: Deployment/, 'kind: NoSuchThing'))
  const said = await until(['describe', 'addon', '-n', 'kube-system', 'coredns'], 'PackagedManifestEdited')
  expect(said).toContain('use the ConfigMap kube-system/coredns-custom')
  drop('coredns.yaml', before)
  await until(['get', 'addon', '-n', 'kube-system', 'coredns', '-o', 'wide'], /coredns\s.*True/)
})

suite('a file whose name no object can have is refused in one line of the log', async () => {
  drop('My_App.yaml', configMap('mine'))
  const line = /My_App\S* is no object name/g
  for (let left = 200; left > 0 && !line.test(server.log()); left--) await delay(50)
  expect(server.log().match(line)).toHaveLength(1)
})
