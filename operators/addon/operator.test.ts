import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Resource } from '../../bootstrap/client/client.ts'
import * as builtIn from '../../bootstrap/client/resources.ts'
import { configMaps, events, secrets } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import type { Operator } from '../runtime/operator.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { addons, pruneAnnotation } from './addon.ts'
import { addonName, isDisabled, listManifests } from './files.ts'
import { objectSetHash, parseGvkText } from './object-set.ts'
import { type AddonOptions, addonOperator } from './operator.ts'
import { parseManifest } from './parse.ts'
import { fillIn, stageManifests } from './stage.ts'

let root: string
let harness: Harness
let operator: Operator

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'skiff-addon-'))
  mkdirSync(join(root, 'packaged'))
  mkdirSync(join(root, 'manifests'))
  const resources = [
    ...Object.values(builtIn).filter((value): value is Resource => typeof value === 'object'),
    addons as Resource,
  ]
  harness = new Harness(new MemoryClient({ resources }))
  start()
})
afterEach(() => rmSync(root, { recursive: true }))

function start(disabled: readonly string[] = [], more: Partial<AddonOptions> = {}): void {
  operator = addonOperator({
    nodeName: 'node',
    packaged: join(root, 'packaged'),
    target: join(root, 'manifests'),
    variables: {},
    disabled: new Set(disabled),
    ...more,
  })
  operator.setup!(harness.cluster)
}

/** Writes a manifest and lets the operator see it. */
async function drop(name: string, text: string): Promise<void> {
  const path = join(root, 'manifests', name)
  writeFileSync(path, text)
  await operator.reconcile(path, harness.cluster)
}

const configMap = (name: string, data = 'x') =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\ndata:\n  key: ${data}\n`
const names = async (resource: Resource) =>
  (await harness.client.list(resource)).items.map(item => item.metadata.name).sort()
const addon = (name: string) => harness.client.get(addons, { name, namespace: 'kube-system' })

test('a file is applied, marked as K3s marks it, and recorded', async () => {
  await drop('app.yaml', `${configMap('one')}---\n${configMap('two')}`)
  const one = await harness.client.get(configMaps, { name: 'one', namespace: 'default' })
  expect(one.data).toEqual({ key: 'x' })
  expect(one.metadata.labels).toEqual({ 'objectset.rio.cattle.io/hash': objectSetHash('app', 'kube-system') })
  expect(one.metadata.annotations).toMatchObject({
    'objectset.rio.cattle.io/id': '',
    'objectset.rio.cattle.io/owner-gvk': 'k3s.cattle.io/v1, Kind=Addon',
    'objectset.rio.cattle.io/owner-name': 'app',
    'objectset.rio.cattle.io/owner-namespace': 'kube-system',
  })
  const record = await addon('app')
  expect(record.spec).toEqual({
    source: join(root, 'manifests/app.yaml'),
    checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(record.metadata.annotations).toEqual({
    'addon.k3s.cattle.io/gvks': '/v1, Kind=ConfigMap',
    'addon.k3s.cattle.io/node': 'node',
  })
})

test('the hash is the one K3s gives its own coredns', () => {
  expect(objectSetHash('coredns', 'kube-system')).toBe('bce283298811743a0386ab510f2f67ef74240c57')
})

test('what a file no longer names is removed, also kinds it no longer has, but not what says prune=false', async () => {
  const secret = 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n'
  const kept = `${configMap('kept')}`.replace(
    'metadata:\n',
    'metadata:\n  labels: {objectset.rio.cattle.io/prune: "false"}\n',
  )
  await drop('app.yaml', [configMap('one'), configMap('two'), kept, secret].join('---\n'))
  await drop('app.yaml', configMap('two'))
  expect(await names(configMaps)).toEqual(['kept', 'two'])
  expect(await names(secrets)).toEqual([])
  await drop('app.yaml', '# nothing left\n')
  expect(await names(configMaps)).toEqual(['kept'])
})

test('a file that only was touched, or is unchanged, is not applied again', async () => {
  await drop('app.yaml', configMap('one'))
  const writes = harness.client.calls.length
  utimesSync(join(root, 'manifests/app.yaml'), 5, 5)
  await operator.reconcile(join(root, 'manifests/app.yaml'), harness.cluster)
  expect(harness.client.calls.slice(writes).filter(call => call.verb !== 'get')).toEqual([])
})

test('deleting the file leaves everything', async () => {
  await drop('app.yaml', configMap('one'))
  rmSync(join(root, 'manifests/app.yaml'))
  await operator.reconcile(join(root, 'manifests/app.yaml'), harness.cluster)
  expect(await names(configMaps)).toEqual(['one'])
  expect((await addon('app')).metadata.name).toBe('app')
})

test('a broken file says where, keeps what it had, and leaves its neighbours alone', async () => {
  await drop('good.yaml', configMap('good'))
  await drop('bad.yaml', configMap('bad'))
  await drop('bad.yaml', `${configMap('bad')}---\nkind: [\n`)
  await harness.idle()
  const messages = (await harness.client.list(events)).items.map(
    event => `${event.involvedObject.name} ${event.reason} ${event.message}`,
  )
  expect(messages).toContainEqual(
    expect.stringMatching(/^bad ParseManifestFailed Parse manifest at ".*bad.yaml" failed: document 2, line \d+/),
  )
  expect(messages.filter(message => message.startsWith('good'))).toHaveLength(2)
  expect(await names(configMaps)).toEqual(['bad', 'good'])
})

/** How a file fares, as its Addon tells. */
const applied = async (name: string) => {
  const [condition] = (await addon(name)).status?.conditions ?? []
  return `${condition?.status} ${condition?.reason} ${condition?.message}`.trim()
}
const unknownKind = 'apiVersion: no.such/v1\nkind: Thing\nmetadata: {name: t}\n'

test('a refused object names file, document and line; it holds back neither the others nor the next try', async () => {
  const path = join(root, 'manifests/app.yaml')
  writeFileSync(path, `${configMap('one')}---\n${unknownKind}---\n${configMap('two')}`)
  const first = await operator.reconcile(path, harness.cluster)
  expect(first.requeueAfterMs).toBeLessThanOrEqual(100)
  expect(await applied('app')).toBe(
    `False ApplyManifestFailed Applying manifest at "${path}" failed: document 2 (line 8), Thing t: ` +
      'no matches for kind "Thing" in version "no.such/v1"',
  )
  expect(await names(configMaps)).toEqual(['one', 'two'])
  for (let tries = 0; tries < 20; tries++) await operator.reconcile(path, harness.cluster)
  const late = await operator.reconcile(path, harness.cluster)
  expect(late.requeueAfterMs).toBeGreaterThan(7000)
  expect(late.requeueAfterMs).toBeLessThanOrEqual(15_000)
  await drop('app.yaml', configMap('one'))
  expect(await applied('app')).toBe('True AppliedManifest')
  expect(await names(configMaps)).toEqual(['one'])
})

test('nothing is pruned while an object of the file is refused', async () => {
  await drop('app.yaml', `${configMap('one')}---\n${configMap('two')}`)
  await drop('app.yaml', `${configMap('one')}---\n${unknownKind}`)
  expect(await names(configMaps)).toEqual(['one', 'two'])
})

test('a broken file carries its error, and loses it with the next good content', async () => {
  await drop('app.yaml', configMap('one'))
  await drop('app.yaml', `${configMap('one')}---\nkind: [\n`)
  expect(await applied('app')).toMatch(
    /^False ParseManifestFailed Parse manifest at ".*app.yaml" failed: document 2, line /,
  )
  expect((await addon('app')).spec.checksum).not.toBe('')
  await drop('app.yaml', configMap('two'))
  expect(await applied('app')).toBe('True AppliedManifest')
})

describe('a packaged manifest', () => {
  const packaged = (text: string) => writeFileSync(join(root, 'packaged/coredns.yaml'), text)
  const copy = () => join(root, 'manifests/coredns.yaml')
  /** Starts the operator's own loop, which stages, and takes what it enqueues once. */
  async function stageAndApply(): Promise<void> {
    start()
    const ended = new AbortController()
    const enqueued: string[] = []
    const cluster = { ...harness.cluster, signal: ended.signal }
    const running = operator.run!(cluster, path => enqueued.push(path))
    while (!enqueued.includes(copy())) await new Promise(resolve => setTimeout(resolve, 5))
    ended.abort()
    await running
    await operator.reconcile(copy(), harness.cluster)
  }

  test('that is edited is not applied, and tells the supported way', async () => {
    packaged(configMap('dns', 'packaged'))
    await stageAndApply()
    writeFileSync(copy(), configMap('dns', 'edited'))
    await operator.reconcile(copy(), harness.cluster)
    expect((await harness.client.get(configMaps, { name: 'dns', namespace: 'default' })).data).toEqual({
      key: 'packaged',
    })
    expect(await applied('coredns')).toBe(
      `False PackagedManifestEdited "${copy()}" is a packaged manifest and was edited; the edit is not applied: use the ` +
        'ConfigMap kube-system/coredns-custom with keys *.server and *.override; to replace it, put a file ' +
        'coredns.yaml.skip beside it or start with --disable coredns, and add your own under another name',
    )
  })

  test('keeps an edit beside the file when the next start writes it again; a newer version is no edit', async () => {
    packaged(configMap('dns', 'v1'))
    await stageAndApply()
    packaged(configMap('dns', 'v2'))
    await stageAndApply()
    expect(() => statSync(`${copy()}.edited`)).toThrow()
    writeFileSync(copy(), configMap('dns', 'edited'))
    await stageAndApply()
    expect(readFileSync(`${copy()}.edited`, 'utf8')).toBe(configMap('dns', 'edited'))
    expect(readFileSync(copy(), 'utf8')).toBe(configMap('dns', 'v2'))
    expect(await applied('coredns')).toBe('True AppliedManifest')
  })
})

describe('a deleted file', () => {
  const path = () => join(root, 'manifests/app.yaml')
  async function remove(): Promise<void> {
    rmSync(path())
    const { requeueAfterMs = 0 } = await operator.reconcile(path(), harness.cluster)
    await harness.advance(requeueAfterMs)
    if (requeueAfterMs > 0) await operator.reconcile(path(), harness.cluster)
  }

  test('takes its objects along where pruning is asked for', async () => {
    start([], { pruneByDefault: true })
    await drop('app.yaml', configMap('one'))
    await remove()
    expect(await names(configMaps)).toEqual([])
    expect(await names(addons as Resource)).toEqual([])
  })

  test.each([
    ['true', false, []],
    ['false', true, ['one']],
  ])('with the annotation %s and --prune-manifests=%s leaves %j', async (annotation, pruneByDefault, left) => {
    start([], { pruneByDefault })
    await drop('app.yaml', configMap('one'))
    const annotations = { [pruneAnnotation]: annotation }
    await harness.client.patch(
      addons,
      { name: 'app', namespace: 'kube-system' },
      { metadata: { annotations } },
      { type: 'merge' },
    )
    await remove()
    expect(await names(configMaps)).toEqual(left)
  })

  test('is not one that an editor replaces', async () => {
    start([], { pruneByDefault: true })
    await drop('app.yaml', configMap('one'))
    rmSync(path())
    expect(await operator.reconcile(path(), harness.cluster)).toEqual({ requeueAfterMs: 2000 })
    await drop('app.yaml', configMap('one'))
    await harness.advance(2000)
    await operator.reconcile(path(), harness.cluster)
    expect(await names(configMaps)).toEqual(['one'])
  })

  test.each([
    ['node', true],
    ['other', false],
  ])('while no server ran is found at the next start of node %s: %s', async (nodeName, found) => {
    await drop('app.yaml', configMap('one'))
    rmSync(path())
    start([], { pruneByDefault: true, nodeName })
    const ended = new AbortController()
    const enqueued: string[] = []
    writeFileSync(join(root, 'manifests/other.yaml'), '')
    const running = operator.run!({ ...harness.cluster, signal: ended.signal }, key => enqueued.push(key))
    while (!enqueued.includes(join(root, 'manifests/other.yaml'))) await new Promise(resolve => setTimeout(resolve, 5))
    ended.abort()
    await running
    expect(enqueued.includes(path())).toBe(found)
  })
})

test('--disable of a file that is there removes its objects, the file and the Addon', async () => {
  await drop('traefik.yaml', configMap('one'))
  start(['traefik'])
  await operator.reconcile(join(root, 'manifests/traefik.yaml'), harness.cluster)
  expect(await names(configMaps)).toEqual([])
  expect(await names(addons as Resource)).toEqual([])
  expect(() => statSync(join(root, 'manifests/traefik.yaml'))).toThrow()
})

test('--disable clears up after a file that is broken by now, or skipped, but leaves a file of another folder', async () => {
  mkdirSync(join(root, 'elsewhere'))
  symlinkSync(join(root, 'elsewhere'), join(root, 'manifests/link'))
  await drop('link/far.yaml', configMap('far'))
  await drop('broken.yaml', configMap('near'))
  writeFileSync(join(root, 'manifests/broken.yaml'), 'kind: [')
  writeFileSync(join(root, 'manifests/broken.yaml.skip'), '')
  const disabled = ['far', 'broken']
  start(disabled)
  const files = await listManifests(join(root, 'manifests'), new Set(disabled))
  expect(files.map(path => path.split('/').at(-1))).toEqual(['broken.yaml', 'far.yaml'])
  for (const path of files) await operator.reconcile(path, harness.cluster)
  expect(await names(configMaps)).toEqual([])
  expect(statSync(join(root, 'elsewhere/far.yaml')).isFile()).toBe(true)
  expect(() => statSync(join(root, 'manifests/broken.yaml'))).toThrow()
})

describe('files', () => {
  test('discovery: endings, dot-files, .skip anywhere, links one level', async () => {
    const dir = join(root, 'manifests')
    mkdirSync(join(dir, 'sub'))
    mkdirSync(join(root, 'linked'))
    symlinkSync(join(root, 'linked'), join(dir, 'link'))
    for (const name of ['a.yaml', 'b.YML', 'c.json', 'd.txt', '.e.yaml', 'sub/f.yaml', 'g.yaml', 'sub/g.yaml.skip'])
      writeFileSync(join(dir, name), '')
    writeFileSync(join(root, 'linked/h.yaml'), '')
    const found = (await listManifests(dir)).map(path => path.slice(dir.length + 1))
    expect(found).toEqual(['a.yaml', 'b.YML', 'c.json', 'link/h.yaml', 'sub/f.yaml'])
  })

  test.each([
    ['traefik.yaml', true],
    ['metrics-server/auth.yaml', true],
    ['other.yaml', false],
  ])('--disable=traefik,metrics-server and %s', (name, expected) => {
    expect(isDisabled('/m', `/m/${name}`, new Set(['traefik', 'metrics-server']))).toBe(expected)
  })

  test('the Addon is named up to the first dot', () => {
    expect(addonName('/x/my.app.yaml')).toBe('my')
  })
})

test('staging fills in variables, spares disabled and skipped files, and does not rewrite what is right', async () => {
  const [packaged, target] = [join(root, 'packaged'), join(root, 'manifests')]
  for (const name of ['dns.yaml', 'off.yaml', 'skipped.yaml'])
    writeFileSync(join(packaged, name), 'ip: %{CLUSTER_DNS}% %{OTHER}%\n')
  writeFileSync(join(target, 'skipped.yaml.skip'), '')
  const options = { packaged, target, variables: { CLUSTER_DNS: '10.43.0.10' }, disabled: new Set(['off']) }
  await stageManifests(options)
  expect(readFileSync(join(target, 'dns.yaml'), 'utf8')).toBe('ip: 10.43.0.10 %{OTHER}%\n')
  expect(statSync(join(target, 'dns.yaml')).mode & 0o777).toBe(0o600)
  expect((await listManifests(target)).map(path => path.slice(target.length + 1))).toEqual(['dns.yaml'])
  const before = statSync(join(target, 'dns.yaml')).ino
  await stageManifests(options)
  expect(statSync(join(target, 'dns.yaml')).ino).toBe(before)
  expect(fillIn('%{A}%%{A}%', { A: 'b' })).toBe('bb')
})

test.each([
  ['- a\n', 'document 1 (line 1): want an object with apiVersion, kind and metadata'],
  ['kind: X\n', 'document 1 (line 1): apiVersion is missing'],
  ['a: 1\n---\napiVersion: v1\nkind: X\n', 'document 1 (line 1): apiVersion is missing'],
  ['apiVersion: v1\nkind: Pod\nmetadata: {}\n', 'document 1 (line 1): metadata.name of the Pod is missing'],
  ['apiVersion: v1\nkind: List\nitems: [{apiVersion: v1}]\n', 'document 1 (line 1), item 1: kind is missing'],
])('%j is refused', (text, message) => {
  expect(() => parseManifest(text)).toThrow(message)
})

test('lists are expanded; kind texts are read back', () => {
  expect(
    parseManifest('apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A, metadata: {name: a}}]\n'),
  ).toHaveLength(1)
  expect(parseGvkText('apps/v1, Kind=Deployment')).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment' })
  expect(parseGvkText('/v1, Kind=Pod')).toEqual({ apiVersion: 'v1', kind: 'Pod' })
})
