/**
 * The same actions with Helm 4 and with our engine, each in a namespace of its own on one API server: what they say, what
 * they store and what they leave in the cluster must be the same.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
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
  pods,
  secrets,
  serviceAccounts,
  services,
} from '../../bootstrap/client/resources.ts'
import type { ActionOptions, DeployOptions, ReleaseActions } from '../../operators/helmchart/release/release.ts'
import { releaseBed, type Workbench, workbenchOn } from '../../operators/helmchart/release/testing/bed.ts'
import { chart, configMap, gadgets, yaml } from '../../operators/helmchart/release/testing/charts.ts'
import { missing, startUpstream } from '../interop/upstream.ts'

const run = promisify(execFile)
const binary = join(import.meta.dirname, '../../.tools/test/helm4/helm')

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

/** Where the present suite works. */
export const here = {} as { bed: Server; directory: string }

async function start(server: () => Promise<Server>, signal: AbortSignal): Promise<void> {
  here.bed = await server()
  here.bed.runJobs(signal).catch(error => console.error(error))
  const crd = JSON.parse(gadgets('diff.example.com')) as CustomResourceDefinition
  await here.bed.api.create(customResourceDefinitions, crd)
  here.directory = await mkdtemp(join(tmpdir(), 'skiff-helm-diff-'))
  await symlink(binary, join(here.directory, 'helm'))
}

/** One action, said twice. */
export interface Step {
  readonly helm: (namespace: string) => Promise<unknown>
  readonly ours: (engine: ReleaseActions, namespace: string) => Promise<unknown>
}

type Deploy = Partial<Omit<DeployOptions, 'chart' | 'values'>> & {
  readonly values?: DeployOptions['values']
  readonly createNamespace?: boolean
  readonly maxHistory?: number
}

export async function helm(...args: readonly string[]): Promise<void> {
  const env = { PATH: '/usr/bin:/bin', HOME: here.directory, KUBECONFIG: here.bed.kubeconfig }
  await run(join(here.directory, 'helm'), args, { env }).catch((error: { stderr: string }) => {
    throw new Error(error.stderr.replace(/^[\s\S]*?Error: (INSTALLATION FAILED: |UPGRADE FAILED: )?/, '').trim())
  })
}

let charts = 0
export async function onDisk(documents: readonly string[]): Promise<string> {
  const folder = join(here.directory, `chart-${++charts}`, 'app')
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
export const install = (documents: readonly string[], options: Deploy = {}) => deploy('install', documents, options)
export const upgrade = (documents: readonly string[], options: Deploy = {}) => deploy('upgrade', documents, options)

export const rollback = (revision: number, options: Partial<ActionOptions> = {}): Step => ({
  helm: namespace => helm('rollback', 'app', String(revision), '-n', namespace, ...flags(options)),
  ours: (engine, namespace) => engine.rollback({ name: 'app', namespace, revision, ...options }),
})
export const uninstall = (options: Partial<ActionOptions> & { readonly keepHistory?: boolean } = {}): Step => ({
  helm: namespace => helm('uninstall', 'app', '-n', namespace, ...flags(options)),
  ours: (engine, namespace) => engine.uninstall({ name: 'app', namespace, ...options }),
})
export const check = (): Step => ({
  helm: namespace => helm('test', 'app', '-n', namespace),
  ours: (engine, namespace) => engine.test({ name: 'app', namespace }),
})
/** What somebody else does in between. */
export const meanwhile = (work: (namespace: string) => Promise<unknown>): Step => ({
  helm: work,
  ours: (_, namespace) => work(namespace),
})

export const gadgetKind = namespaced<KubeObject>('diff.example.com', 'v1', 'gadgets', 'Gadget')
const watched = [configMaps, services, deployments, jobs, pods, serviceAccounts, gadgetKind] as unknown as Resource[]

/** What is there: objects with who owns which of their fields, and releases as they are stored. */
export async function state(namespace: string): Promise<object> {
  const lists = await Promise.all(watched.map(async kind => (await here.bed.api.list(kind, { namespace })).items))
  const { items } = await here.bed.api.list(secrets, { namespace, labelSelector: 'owner=helm' })
  const releases = await here.bed.engine().history('app', namespace)
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

export function withoutChance({ metadata, ...rest }: KubeObject): object {
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

export function neutral<T>(namespace: string, value: T): T {
  const text = JSON.stringify(value, (key, member: unknown) => (byChance.includes(key) ? undefined : member))
  return JSON.parse(
    text
      .replaceAll(namespace, 'NAMESPACE')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID'),
  ) as T
}

/** Takes all steps both ways and compares what was said and what is there after each. */
export async function same(...steps: readonly Step[]): Promise<void> {
  const [theirs, ours] = [await here.bed.namespace(), await here.bed.namespace()]
  const engine = here.bed.engine()
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

export const settings = (data: { [key: string]: string }, metadata: object = {}) =>
  configMap('settings', data, metadata)
export const web = (spec: object = {}, container: object = {}) =>
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
export const service = (ports: readonly object[], spec: object = {}) =>
  yaml({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports, ...spec },
  })
export const job = (name: string, events: string, annotations: object = {}) =>
  yaml({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, annotations: { 'helm.sh/hook': events, ...annotations } },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } },
  })

export const foreign = (name: string) =>
  meanwhile(namespace =>
    here.bed.api.create(
      configMaps,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { mine: 'yes' } },
      { fieldManager: 'somebody' },
    ),
  )
export const patchWeb = (patch: object) =>
  meanwhile(namespace =>
    here.bed.api.patch(deployments, { name: 'web', namespace }, patch, { type: 'strategic', fieldManager: 'somebody' }),
  )

export const sides = ['true', 'false'] as const
/** A suite on our API server and, unless told otherwise, upstream's; a line says so where there is no Helm 4. */
export function asHelm(tests: () => void, onBoth = true): void {
  jest.setTimeout(60_000)
  if (servers.length === 0)
    test('needs Helm 4', () => console.info('skipped: no Helm 4 (scripts/oracles.sh builds one)'))
  else
    describe.each(onBoth ? servers : servers.slice(0, 1))('as Helm 4, on $name', server => {
      const stop = new AbortController()
      beforeAll(() => start(server.start, stop.signal))
      afterAll(async () => {
        stop.abort()
        await here.bed.stop()
        await rm(here.directory, { recursive: true, force: true })
      })
      tests()
    })
}
