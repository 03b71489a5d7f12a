/**
 * The same actions with Helm 4 and with our engine, each in a namespace of its own on one API server: what they say, what
 * they store and what they leave in the cluster must be the same. Differences we want are named where they are.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import { loadKubeconfig } from '../../bootstrap/client/kubeconfig.ts'
import { remoteClient } from '../../bootstrap/client/remote.ts'
import {
  type CustomResourceDefinition,
  configMaps,
  customResourceDefinitions,
  deployments,
  jobs,
  namespaced,
  namespaces,
  pods,
  secrets,
  serviceAccounts,
  services,
} from '../../bootstrap/client/resources.ts'
import { loadDirectory } from '../../operators/helmchart/chart/directory.ts'
import { renderer } from '../../operators/helmchart/job/rendering.ts'
import type { ActionOptions, DeployOptions, ReleaseActions } from '../../operators/helmchart/release/release.ts'
import { releaseBed, type Workbench, workbenchOn } from '../../operators/helmchart/release/testing/bed.ts'
import { chart, configMap, gadgets, hook, yaml } from '../../operators/helmchart/release/testing/charts.ts'
import { missing, startUpstream } from '../interop/upstream.ts'

const run = promisify(execFile)
const binary = join(import.meta.dirname, '../../.tools/test/helm4/helm')

jest.setTimeout(60_000)

interface Server extends Workbench {
  /** A file. */
  readonly kubeconfig: string
  stop(): Promise<void>
}

const servers: readonly { readonly name: string; readonly start: () => Promise<Server> }[] = existsSync(binary)
  ? [
      { name: 'our API server', start: ours },
      ...(missing === undefined ? [{ name: "upstream's API server", start: upstream }] : []),
    ]
  : []
if (servers.length === 0) test('needs Helm 4', () => console.info('skipped: no Helm 4 (scripts/oracles.sh builds one)'))

async function ours(): Promise<Server> {
  const bed = await releaseBed()
  const folder = await mkdtemp(join(tmpdir(), 'skiff-kubeconfig-'))
  const kubeconfig = join(folder, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(bed.kubeconfig))
  const stop = async () => {
    await bed.stop()
    await rm(folder, { recursive: true })
  }
  return { ...bed, kubeconfig, stop }
}

async function upstream(): Promise<Server> {
  const server = await startUpstream()
  const { remote } = await loadKubeconfig(server.kubeconfig)
  const client = remoteClient(remote)
  const stop = async () => {
    client.close()
    await server.remove()
  }
  return { ...workbenchOn(client), kubeconfig: server.kubeconfig, stop }
}

let bed: Server
let directory: string

async function start(server: () => Promise<Server>, signal: AbortSignal): Promise<void> {
  bed = await server()
  bed.runJobs(signal).catch(error => console.error(error))
  const crd = JSON.parse(gadgets('diff.example.com')) as CustomResourceDefinition
  await bed.api.create(customResourceDefinitions, crd)
  directory = await mkdtemp(join(tmpdir(), 'skiff-helm-diff-'))
  await symlink(binary, join(directory, 'helm'))
}

/** One action, said twice. */
interface Step {
  readonly helm: (namespace: string) => Promise<unknown>
  readonly ours: (engine: ReleaseActions, namespace: string) => Promise<unknown>
}

type Deploy = Partial<Omit<DeployOptions, 'chart' | 'values'>> & {
  readonly values?: DeployOptions['values']
  readonly createNamespace?: boolean
  readonly maxHistory?: number
}

async function helm(...args: readonly string[]): Promise<void> {
  const env = { PATH: '/usr/bin:/bin', HOME: directory, KUBECONFIG: bed.kubeconfig }
  await run(join(directory, 'helm'), args, { env }).catch((error: { stderr: string }) => {
    throw new Error(error.stderr.replace(/^[\s\S]*?Error: (INSTALLATION FAILED: |UPGRADE FAILED: )?/, '').trim())
  })
}

let charts = 0
async function onDisk(documents: readonly string[]): Promise<string> {
  const folder = join(directory, `chart-${++charts}`, 'app')
  await mkdir(join(folder, 'templates'), { recursive: true })
  await writeFile(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: app\nversion: 0.1.0\nappVersion: "1.0"\n')
  await writeFile(join(folder, 'templates', 'NOTES.txt'), 'Thank you for app.\n')
  await writeFile(join(folder, 'values.yaml'), 'color: blue\n')
  await Promise.all(documents.map((text, index) => writeFile(join(folder, 'templates', `${index}.yaml`), text)))
  return folder
}

function flags(options: Deploy & { readonly keepHistory?: boolean }): string[] {
  const labels = Object.entries(options.labels ?? {}).map(([name, value]) => `${name}=${value}`)
  return [
    ...(options.serverSide ? [`--server-side=${options.serverSide}`] : []),
    ...(options.forceConflicts ? ['--force-conflicts'] : []),
    ...(options.takeOwnership ? ['--take-ownership'] : []),
    ...(options.wait ? ['--wait'] : []),
    ...(options.waitForJobs ? ['--wait-for-jobs'] : []),
    ...(options.atomic ? ['--rollback-on-failure'] : []),
    ...(options.skipHooks ? ['--no-hooks'] : []),
    ...(options.createNamespace ? ['--create-namespace'] : []),
    ...(options.keepHistory ? ['--keep-history'] : []),
    ...(options.description ? ['--description', options.description] : []),
    ...(options.timeoutMs ? ['--timeout', `${options.timeoutMs}ms`] : []),
    ...(options.maxHistory ? ['--history-max', String(options.maxHistory)] : []),
    ...(labels.length > 0 ? ['--labels', labels.join(',')] : []),
    ...Object.entries(options.values ?? {}).flatMap(([name, value]) => ['--set', `${name}=${String(value)}`]),
  ]
}

function deploy(action: 'install' | 'upgrade', documents: readonly string[], options: Deploy): Step {
  const name = options.name ?? 'app'
  return {
    helm: async namespace => helm(action, name, await onDisk(documents), '-n', namespace, ...flags(options)),
    ours: (engine, namespace) =>
      engine[action]({ name, namespace, chart: chart('app', () => documents), values: {}, ...options }),
  }
}
const install = (documents: readonly string[], options: Deploy = {}) => deploy('install', documents, options)
const upgrade = (documents: readonly string[], options: Deploy = {}) => deploy('upgrade', documents, options)

const rollback = (revision: number, options: Partial<ActionOptions> = {}): Step => ({
  helm: namespace => helm('rollback', 'app', String(revision), '-n', namespace, ...flags(options)),
  ours: (engine, namespace) => engine.rollback({ name: 'app', namespace, revision, ...options }),
})
const uninstall = (options: Partial<ActionOptions> & { readonly keepHistory?: boolean } = {}): Step => ({
  helm: namespace => helm('uninstall', 'app', '-n', namespace, ...flags(options)),
  ours: (engine, namespace) => engine.uninstall({ name: 'app', namespace, ...options }),
})
const check = (): Step => ({
  helm: namespace => helm('test', 'app', '-n', namespace),
  ours: (engine, namespace) => engine.test({ name: 'app', namespace }),
})
/** What somebody else does in between. */
const meanwhile = (work: (namespace: string) => Promise<unknown>): Step => ({
  helm: work,
  ours: (_, namespace) => work(namespace),
})

const gadgetKind = namespaced<KubeObject>('diff.example.com', 'v1', 'gadgets', 'Gadget')
const watched = [configMaps, services, deployments, jobs, pods, serviceAccounts, gadgetKind] as unknown as Resource[]

/** What is there: objects with who owns which of their fields, and releases as they are stored. */
async function state(namespace: string): Promise<object> {
  const lists = await Promise.all(watched.map(async kind => (await bed.api.list(kind, { namespace })).items))
  const { items } = await bed.api.list(secrets, { namespace, labelSelector: 'owner=helm' })
  const releases = await bed.engine().history('app', namespace)
  return neutral(namespace, {
    objects: lists.flat().map(withoutChance),
    releases: releases.map(({ chart: { metadata, values }, info, hooks, ...rest }) => ({
      ...rest,
      metadata,
      values,
      info: { ...info, first_deployed: '', last_deployed: '', deleted: info.deleted === '' ? '' : 'some time' },
      hooks: hooks?.map(each => ({ ...each, last_run: each.last_run.phase })),
    })),
    records: items.map(({ metadata: { name, labels }, type }) => {
      const { createdAt: _, modifiedAt: __, ...own } = labels ?? {}
      return { name, type, own }
    }),
  })
}

function withoutChance({ metadata, ...rest }: KubeObject): object {
  const { name, labels, annotations, managedFields = [] } = metadata
  const managers = managedFields.map(({ manager, operation, subresource, fieldsV1 }) => ({
    manager,
    operation,
    subresource,
    fieldsV1,
  }))
  const ordered = managers.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return { ...rest, metadata: { name, labels, annotations }, managers: ordered }
}

const byChance = ['clusterIP', 'clusterIPs', 'lastTransitionTime', 'startTime', 'completionTime']

function neutral<T>(namespace: string, value: T): T {
  const text = JSON.stringify(value, (key, member: unknown) => (byChance.includes(key) ? undefined : member))
  return JSON.parse(
    text
      .replaceAll(namespace, 'NAMESPACE')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID'),
  ) as T
}

/** Takes all steps both ways and compares what was said and what is there after each. */
async function same(...steps: readonly Step[]): Promise<void> {
  const [theirs, ours] = [await bed.namespace(), await bed.namespace()]
  const engine = bed.engine()
  const said = async (namespace: string, work: Promise<unknown>) =>
    neutral(
      namespace,
      await work.then(
        () => 'done',
        (error: Error) => error.message,
      ),
    )
  const outcome = async (step: number, namespace: string, work: Promise<unknown>) => ({
    step,
    said: await said(namespace, work),
    ...(await state(namespace)),
  })
  for (const [index, step] of steps.entries()) {
    const [expected, actual] = await Promise.all([
      outcome(index, theirs, step.helm(theirs)),
      outcome(index, ours, step.ours(engine, ours)),
    ])
    expect(actual).toEqual(expected)
  }
}

const settings = (data: { [key: string]: string }, metadata: object = {}) => configMap('settings', data, metadata)
const web = (spec: object = {}, container: object = {}) =>
  yaml({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'web:1', ...container }] },
      },
      ...spec,
    },
  })
const service = (ports: readonly object[], spec: object = {}) =>
  yaml({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports, ...spec },
  })
const job = (name: string, events: string, annotations: object = {}) =>
  yaml({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, annotations: { 'helm.sh/hook': events, ...annotations } },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } },
  })

const foreign = (name: string) =>
  meanwhile(namespace =>
    bed.api.create(
      configMaps,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { mine: 'yes' } },
      { fieldManager: 'somebody' },
    ),
  )
const patchWeb = (patch: object) =>
  meanwhile(namespace =>
    bed.api.patch(deployments, { name: 'web', namespace }, patch, { type: 'strategic', fieldManager: 'somebody' }),
  )

const sides = ['true', 'false'] as const

describe.each(servers)('as Helm 4, on $name', server => {
  const stop = new AbortController()
  beforeAll(() => start(server.start, stop.signal))
  afterAll(async () => {
    stop.abort()
    await bed.stop()
    await rm(directory, { recursive: true, force: true })
  })

  describe.each(sides)('server-side %s', serverSide => {
    const all = [settings({ a: '1' }), web(), service([{ port: 80 }])]

    test('install, upgrade, rollback, uninstall', () =>
      same(
        install(all, { serverSide, labels: { team: 'a', plan: 'b' } }),
        upgrade([settings({ b: '2' }), web({ replicas: 2 }, { image: 'web:2' })], { labels: { plan: 'null' } }),
        rollback(1),
        upgrade(all, { values: { color: 'red' }, description: 'By hand' }),
        upgrade(all),
        uninstall(),
      ))

    test('what others changed stays', () =>
      same(
        install([web({}, { env: [{ name: 'A', value: '1' }], args: ['a'] }), settings({ a: '1' })], { serverSide }),
        patchWeb({
          metadata: { labels: { theirs: 'yes' } },
          spec: {
            replicas: 5,
            template: {
              spec: {
                containers: [
                  { name: 'web', env: [{ name: 'B', value: '2' }] },
                  { name: 'side', image: 's' },
                ],
              },
            },
          },
        }),
        upgrade([web({}, { env: [{ name: 'C', value: '3' }] }), settings({ a: '1' })]),
        upgrade([web({}, {}), settings({ a: '2' })]),
      ))

    test('lists with keys, lists of values, and fields that exclude each other', () =>
      same(
        install(
          [
            web({
              strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2 } },
              template: {
                metadata: { labels: { app: 'web' }, finalizers: ['example.com/a', 'example.com/b'] },
                spec: {
                  volumes: [
                    { name: 'v', emptyDir: {} },
                    { name: 'w', configMap: { name: 'c' } },
                  ],
                  containers: [
                    { name: 'web', image: 'web:1', ports: [{ containerPort: 80 }, { containerPort: 81, name: 'b' }] },
                  ],
                },
              },
            }),
            service([
              { port: 53, protocol: 'UDP', name: 'u' },
              { port: 80, name: 'h' },
            ]),
          ],
          { serverSide },
        ),
        upgrade([
          web({
            strategy: { type: 'Recreate' },
            template: {
              metadata: { labels: { app: 'web' }, finalizers: ['example.com/b', 'example.com/c'] },
              spec: {
                volumes: [
                  { name: 'w', emptyDir: {} },
                  { name: 'x', configMap: { name: 'c' } },
                ],
                containers: [
                  { name: 'web', image: 'web:1', ports: [{ containerPort: 81, name: 'b' }, { containerPort: 82 }] },
                ],
              },
            },
          }),
          service([
            { port: 80, name: 'h', targetPort: 8080 },
            { port: 53, protocol: 'UDP', name: 'u' },
          ]),
        ]),
      ))

    test('an object of somebody else is not taken', () =>
      same(foreign('settings'), install([settings({ a: '1' })], { serverSide })))

    test('an object of somebody else is taken when told to', () =>
      same(
        foreign('settings'),
        install([settings({ a: '1' })], { serverSide, takeOwnership: true }),
        foreign('more'),
        upgrade([settings({ a: '1' }), configMap('more', { b: '2' })]),
        upgrade([settings({ a: '1' }), configMap('more', { b: '2' })], { takeOwnership: true }),
      ))

    test('hooks and their policies', () =>
      same(
        install(
          [
            settings({ a: '1' }),
            job('first', 'pre-install,post-upgrade', { 'helm.sh/hook-weight': '-5' }),
            job('gone', 'post-install,pre-upgrade', { 'helm.sh/hook-delete-policy': 'hook-succeeded' }),
            hook('kept', 'pre-install,pre-upgrade,pre-rollback,pre-delete'),
          ],
          { serverSide },
        ),
        upgrade([
          settings({ a: '2' }),
          hook('kept', 'pre-install,pre-upgrade,pre-rollback,pre-delete'),
          job('new', 'post-upgrade'),
        ]),
        rollback(1),
        check(),
        uninstall(),
      ))

    test('a hook that fails', () =>
      same(
        install([settings({ a: '1' }), job('bad', 'pre-install')], { serverSide }),
        uninstall(),
        install(
          [settings({ a: '1' }), job('bad-one', 'post-install', { 'helm.sh/hook-delete-policy': 'hook-failed' })],
          { serverSide },
        ),
        upgrade([settings({ a: '2' }), job('bad', 'pre-upgrade')]),
        upgrade([settings({ a: '3' }), job('bad', 'test')]),
        check(),
        uninstall(),
      ))

    test('a resource that is to be kept', () =>
      same(
        install([settings({ a: '1' }, { annotations: { 'helm.sh/resource-policy': 'keep' } }), web()], { serverSide }),
        upgrade([web()]),
        upgrade([web(), configMap('stays', {}, { annotations: { 'helm.sh/resource-policy': 'keep' } })]),
        uninstall(),
      ))

    test('an upgrade the server refuses', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide }),
        upgrade([settings({ a: '2' }), web({ selector: { matchLabels: { app: 'other' } } })]),
        upgrade([settings({ a: '3' }), web()]),
      ))

    test('waiting in vain', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide, wait: true, timeoutMs: 500 }),
        upgrade([settings({ a: '1' })]),
        upgrade([settings({ a: '2' }), web()], { wait: true, timeoutMs: 500 }),
      ))

    test('atomic actions', () =>
      same(
        install([settings({ a: '1' }), web()], { serverSide, atomic: true, timeoutMs: 500 }),
        install([settings({ a: '1' })], { serverSide, atomic: true }),
        upgrade([settings({ a: '2' }), web()], { atomic: true, timeoutMs: 500 }),
      ))

    test('history: kept short, kept after uninstalling', () =>
      same(
        install([settings({ a: '1' })], { serverSide }),
        upgrade([settings({ a: '2' })], { maxHistory: 3 }),
        upgrade([settings({ a: '3' })], { maxHistory: 3 }),
        upgrade([settings({ a: '4' })], { maxHistory: 3 }),
        uninstall({ keepHistory: true, description: 'Bye' }),
        uninstall({ keepHistory: true }),
        upgrade([settings({ a: '5' })]),
        uninstall(),
      ))
  })

  test('from client-side to server-side and back', () =>
    same(
      install([settings({ a: '1', b: '1' }), web({ replicas: 2 })], { serverSide: 'false' }),
      upgrade([settings({ a: '2' }), web()], { serverSide: 'true' }),
      upgrade([settings({ a: '3' }), web()], { serverSide: 'false' }),
      rollback(2),
    ))

  test('conflicts with what somebody else applied', () =>
    same(
      install([web({ replicas: 1 })]),
      meanwhile(namespace =>
        bed.api.patch(
          deployments,
          { name: 'web', namespace },
          { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 3 } },
          { type: 'apply', fieldManager: 'somebody', force: true },
        ),
      ),
      upgrade([web({ replicas: 2 })]),
      upgrade([web({ replicas: 2 })], { forceConflicts: true }),
    ))

  test('a field that does not exist', () => same(install([web({ replica: 1 })])))

  test('kinds that are not served', () =>
    same(
      install([
        yaml({ apiVersion: 'example.com/v1', kind: 'Nothing', metadata: { name: 'n' } }),
        yaml({ apiVersion: 'apps/v9', kind: 'Deployment', metadata: { name: 'm', namespace: 'elsewhere' } }),
      ]),
      install([settings({ a: '1' })]),
      upgrade([yaml({ apiVersion: 'example.com/v1', kind: 'Nothing', metadata: { name: 'n' } })]),
    ))

  test('names', () =>
    same(
      install([settings({})], { name: 'Upper' }),
      install([settings({})], { name: 'x'.repeat(54) }),
      upgrade([settings({})], { name: 'Upper' }),
      upgrade([settings({})]),
      rollback(1),
      install([settings({})]),
      install([settings({})]),
      rollback(7),
      install([settings({})], { name: 'other', labels: { owner: 'me' } }),
    ))

  test('a namespace that is not there', () =>
    same({
      helm: async namespace => helm('install', 'app', await onDisk([settings({})]), '-n', `${namespace}-no`),
      ours: (engine, namespace) =>
        engine.install({
          name: 'app',
          namespace: `${namespace}-no`,
          chart: chart('app', () => [settings({})]),
          values: {},
        }),
    }))

  describe.each(sides)('less common things, server-side %s', serverSide => {
    const gadget = (spec: object, metadata: object = {}) =>
      yaml({ apiVersion: 'diff.example.com/v1', kind: 'Gadget', metadata: { name: 'gadget', ...metadata }, spec })

    test('custom resources', () =>
      same(
        install([gadget({ list: [1, 2], map: { a: 1, b: 2 }, gone: true })], { serverSide }),
        meanwhile(namespace =>
          bed.api.patch(
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
          bed.api.create(
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
    await step.ours(bed.engine(), 'made-ours')
    const made = async (name: string) => neutral(name, withoutChance(await bed.api.get(namespaces, { name })))
    expect(await made('made-ours')).toEqual(await made('made-theirs'))
  })

  test('a chart with everything in it is stored alike, to the byte', async () => {
    const folder = join(directory, 'big')
    for (const [name, text] of Object.entries(big)) {
      await mkdir(join(folder, name, '..'), { recursive: true })
      await writeFile(join(folder, name), text)
    }
    const [theirs, ours] = [await bed.namespace(), await bed.namespace()]
    const values = { child: { color: 'red' }, list: [1, 2.5, 1e21], nothing: null }
    await writeFile(join(directory, 'values.json'), JSON.stringify(values))
    await helm('install', 'app', folder, '-n', theirs, '-f', join(directory, 'values.json'))
    const engine = bed.engine({ render: renderer({ warn() {} }) })
    await engine.install({ name: 'app', namespace: ours, chart: loadDirectory(folder), values })
    expect(await stored(ours)).toEqual(await stored(theirs))
    expect(neutral(ours, (await state(ours)) as object)).toEqual(neutral(theirs, (await state(theirs)) as object))
  })

  /** A release's JSON as it is stored, with its times and the chart's file times left out. */
  async function stored(namespace: string): Promise<string> {
    const record = await bed.api.get(secrets, { name: 'sh.helm.release.v1.app.v1', namespace })
    const packed = Buffer.from(record.data?.release ?? '', 'base64').toString()
    return gunzipSync(Buffer.from(packed, 'base64'))
      .toString()
      .replace(/,"modtime":"[^"]*"/g, '')
      .replace(/"schemamodtime":"[^"]*"/, '"schemamodtime":""')
      .replace(/"(first_deployed|last_deployed|started_at|completed_at)":"[^"]*"/g, '"$1":""')
      .replaceAll(namespace, 'NAMESPACE')
  }
})

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
