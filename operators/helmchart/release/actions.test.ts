import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  jobs,
  namespaced,
  namespaces,
  secrets,
} from '../../../bootstrap/client/resources.ts'
import type { Capabilities } from '../render/rendered.ts'
import type { Release } from './release.ts'
import { createStorage } from './storage.ts'
import { type Bed, releaseBed } from './testing/bed.ts'
import { chart, configMap, gadgets, hook, renderCharts, yaml } from './testing/charts.ts'

jest.setTimeout(60_000)

let bed: Bed
const stop = new AbortController()
beforeAll(async () => {
  bed = await releaseBed()
  void bed.runJobs(stop.signal).catch(() => {})
})
afterAll(async () => {
  stop.abort()
  await bed.stop()
})

const web = chart('web', ({ values, release }) => [
  configMap('settings', { color: String(values.color ?? 'none'), revision: String(release.revision) }),
  ...(values.extra ? [configMap('extra', { is: 'extra' })] : []),
])
const fixed = (...documents: readonly string[]) => chart('app', () => documents)
const deployment = yaml({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  },
})
const job = (name: string, annotations: object = {}) =>
  yaml({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, annotations },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } },
  })
const gadget = (group: string, spec: object = {}) =>
  yaml({ apiVersion: `${group}/v1`, kind: 'Gadget', metadata: { name: 'gadget' }, spec })
const summary = (history: readonly Release[]) =>
  history.map(({ version, info }) => `${version} ${info.status}: ${info.description}`)

describe('a release', () => {
  test.each(['secret', 'configmap'] as const)('lives from install to uninstall, kept as %s', async driver => {
    const namespace = await bed.namespace()
    const engine = bed.engine({ driver })
    const to = { name: 'web', namespace, chart: web }
    const first = await engine.install({ ...to, values: { color: 'red', extra: true } })
    expect(first).toMatchObject({ version: 1, info: { status: 'deployed', description: 'Install complete' } })
    expect(await bed.configMaps(namespace)).toMatchObject({ settings: { color: 'red' }, extra: { is: 'extra' } })
    await engine.upgrade({ ...to, values: { color: 'green' } })
    expect(await bed.configMaps(namespace)).not.toHaveProperty('extra')
    await engine.rollback({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).toMatchObject({ settings: { color: 'red', revision: '1' }, extra: {} })
    expect(summary(await engine.history('web', namespace))).toEqual([
      '1 superseded: Install complete',
      '2 superseded: Upgrade complete',
      '3 deployed: Rollback to 1',
    ])
    expect((await engine.list(namespace)).map(({ name, version }) => [name, version])).toEqual([['web', 3]])
    expect((await engine.list('')).some(({ namespace: other }) => other === namespace)).toBe(true)
    await engine.uninstall({ name: 'web', namespace })
    expect(await bed.configMaps(namespace)).toEqual({})
    expect(await engine.history('web', namespace)).toEqual([])
    expect(await engine.uninstall({ name: 'web', namespace })).toBeUndefined()
  })

  test('values are reset, or kept when none are given', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'web', namespace, chart: web }
    await engine.install({ ...to, values: { color: 'red' } })
    expect((await engine.upgrade({ ...to, values: {} })).config).toEqual({ color: 'red' })
    expect((await engine.upgrade({ ...to, values: {}, resetValues: true })).config).toEqual({})
  })

  test('at most ten revisions are kept', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'web', namespace, chart: web, values: {} }
    await engine.install(to)
    for (let revision = 2; revision <= 12; revision++) await engine.upgrade(to)
    expect((await engine.history('web', namespace)).map(({ version }) => version)).toEqual([
      3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ])
  })

  test('ownership is checked, in Helm’s words', async () => {
    const namespace = await bed.namespace()
    await bed.api.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings', namespace } })
    await expect(bed.engine().install({ name: 'web', namespace, chart: web, values: {} })).rejects.toThrow(
      `unable to continue with install: ConfigMap "settings" in namespace "${namespace}" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"; annotation validation error: missing key "meta.helm.sh/release-name": must be set to "web"; annotation validation error: missing key "meta.helm.sh/release-namespace": must be set to "${namespace}"`,
    )
    expect(await bed.engine().history('web', namespace)).toEqual([])
    await bed.engine().install({ name: 'web', namespace, chart: web, values: {}, takeOwnership: true })
    expect((await bed.api.get(configMaps, { name: 'settings', namespace })).metadata).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'web', 'meta.helm.sh/release-namespace': namespace },
    })
  })
})

describe('the templates are told about the cluster', () => {
  test('what it serves', async () => {
    const namespace = await bed.namespace()
    let told: Capabilities | undefined
    const asking = chart('asking', ({ capabilities }) => {
      told = capabilities
      return []
    })
    await bed.engine().install({ name: 'asking', namespace, chart: asking, values: {} })
    expect(told?.kubeVersion).toMatch(/^v1\.36\./)
    expect(told?.apiVersions).toEqual(
      expect.arrayContaining(['v1', 'v1/ConfigMap', 'apps/v1', 'apps/v1/Deployment', 'batch/v1/Job']),
    )
  })

  test('what it holds, asked for as often as needed', async () => {
    const namespace = await bed.namespace()
    await bed.api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', namespace },
      data: { next: 'b' },
    })
    await bed.api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'b', namespace },
      data: { end: 'yes' },
    })
    let rounds = 0
    const found: unknown[] = []
    const engine = bed.engine({
      render: async (request, lookup) => {
        rounds++
        const query = (name: string, kind = 'ConfigMap') => ({ apiVersion: 'v1', kind, namespace, name })
        const first = lookup(query('a'))
        if (first === undefined)
          return { kind: 'lookups', queries: [query('a'), query('none'), query('x', 'Nothing'), query('')] }
        const next = (first as { data: { next: string } }).data.next
        const second = lookup(query(next))
        if (second === undefined) return { kind: 'lookups', queries: [query(next)] }
        found.push(
          (second as { data: object }).data,
          lookup(query('none')),
          lookup(query('x', 'Nothing')),
          (lookup(query('')) as { items: unknown[] }).items.length,
        )
        return renderCharts({ ...request, chart: fixed() }, lookup)
      },
    })
    await engine.install({ name: 'looks', namespace, chart: fixed(), values: {} })
    expect([rounds, ...found]).toEqual([3, { end: 'yes' }, null, null, 2])
  })
})

describe('the kinds a chart brings', () => {
  const kind = (group: string) => namespaced<KubeObject>(group, 'v1', 'gadgets', 'Gadget')

  test.each([true, false])('are there before its templates are rendered (they ask for them: %s)', async asks => {
    const group = `crds-${asks}.example.com`
    const namespace = await bed.namespace()
    const app = chart(
      'app',
      ({ capabilities }) => {
        if (asks && !capabilities.apiVersions.includes(`${group}/v1/Gadget`)) throw new Error('no gadgets here')
        return [gadget(group)]
      },
      [gadgets(group)],
    )
    await bed.engine().install({ name: 'app', namespace, chart: app, values: {} })
    expect(await bed.get(kind(group), namespace, 'gadget')).toBeDefined()
    await bed.engine().uninstall({ name: 'app', namespace })
    expect(await bed.get(kind(group), namespace, 'gadget')).toBeUndefined()
    expect(await bed.get(customResourceDefinitions as never, '', `gadgets.${group}`)).toBeDefined()
    await bed.engine().install({ name: 'app', namespace, chart: app, values: {}, serverSide: 'false' })
  })

  test('are left out when told so', async () => {
    const group = 'skipped.example.com'
    const namespace = await bed.namespace()
    const app = chart('app', () => [gadget(group)], [gadgets(group)])
    await expect(
      bed.engine().install({ name: 'app', namespace, chart: app, values: {}, skipCrds: true }),
    ).rejects.toThrow(
      `unable to build kubernetes objects from release manifest: resource mapping not found for name: "gadget" namespace: "" from "": no matches for kind "Gadget" in version "${group}/v1"\nensure CRDs are installed first`,
    )
    expect(await bed.engine().history('app', namespace)).toEqual([])
  })

  test('hold nothing up once they have vanished', async () => {
    const group = 'vanished.example.com'
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const app = chart('app', ({ values }) => [configMap('settings', {}), ...(values.gadget ? [gadget(group)] : [])], [
      gadgets(group),
    ])
    for (const name of ['one', 'two']) {
      const place = await bed.namespace()
      await engine.install({ name, namespace: place, chart: app, values: { gadget: true } })
      await bed.api.delete(customResourceDefinitions, { name: `gadgets.${group}` })
      if (name === 'one') await engine.upgrade({ name, namespace: place, chart: app, values: { gadget: false } })
      expect(await engine.uninstall({ name, namespace: place, wait: true })).toMatchObject({
        info: { status: 'uninstalled' },
      })
      expect(await bed.configMaps(namespace)).toEqual({})
    }
  })

  test('an object of a version that is gone is found under the one that is left', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    await engine.install({ name: 'app', namespace, chart: fixed(deployment), values: {} })
    const [stored] = await engine.history('app', namespace)
    const storage = createStorage({
      client: bed.api,
      clock: { now: Date.now, sleep: async () => {} },
      log: silent,
      driver: 'secret',
    })
    await storage.update({ ...stored!, manifest: stored!.manifest.replace('apps/v1', 'extensions/v1beta1') })
    await engine.upgrade({ name: 'app', namespace, chart: fixed(configMap('only', {})), values: {} })
    expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
  })
})

const silent = { debug() {}, info() {}, warn() {}, error() {} }

describe('hooks', () => {
  test('run in order of weight and end before what comes next', async () => {
    const namespace = await bed.namespace()
    const app = fixed(
      configMap('settings', {}),
      job('second', { 'helm.sh/hook': 'pre-install', 'helm.sh/hook-weight': '1' }),
      job('first', { 'helm.sh/hook': 'pre-install', 'helm.sh/hook-weight': '-1' }),
      hook('third', 'post-install'),
    )
    const seen: string[] = []
    const watching = new AbortController()
    const follow = (async () => {
      for await (const { type, ...event } of bed.api.watch(jobs, { namespace }, watching.signal)) {
        const { metadata, status } = (event as { object: KubeObject & { status?: { completionTime?: string } } }).object
        if (type === 'ADDED' || status?.completionTime)
          seen.push(`${metadata.name} ${type === 'ADDED' ? 'starts' : 'ends'}`)
      }
    })().catch(() => {})
    const { hooks = [] } = await bed.engine().install({ name: 'app', namespace, chart: app, values: {} })
    watching.abort()
    await follow
    expect(seen).toEqual(['first starts', 'first ends', 'second starts', 'second ends'])
    expect(hooks.map(({ name, last_run }) => [name, last_run.phase])).toEqual([
      ['third', 'Succeeded'],
      ['second', 'Succeeded'],
      ['first', 'Succeeded'],
    ])
  })

  test('one that fails fails the release, and does not stop the next try', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const policies = { 'helm.sh/hook': 'pre-install,pre-upgrade', 'helm.sh/hook-delete-policy': 'hook-succeeded' }
    const to = { name: 'app', namespace, values: {} }
    const why = `resource Job/${namespace}/bad not ready. status: Failed, message: Job Failed. failed: 1/1`
    await expect(engine.install({ ...to, chart: fixed(job('bad', policies)) })).rejects.toThrow(
      `failed pre-install: ${why}`,
    )
    await expect(engine.upgrade({ ...to, chart: fixed(job('bad', policies)) })).rejects.toThrow(
      `pre-upgrade hooks failed: ${why}`,
    )
    expect(summary(await engine.history('app', namespace))).toEqual([
      `1 failed: Release "app" failed: failed pre-install: ${why}`,
      `2 failed: Upgrade "app" failed: pre-upgrade hooks failed: ${why}`,
    ])
    await engine.uninstall(to)
    await expect(engine.install({ ...to, chart: fixed(job('bad', policies)), serverSide: 'false' })).rejects.toThrow(
      why,
    )
    await engine.upgrade({ ...to, chart: fixed(job('good', policies)) })
    expect(await bed.get(jobs as never, namespace, 'good')).toBeUndefined()
  })

  test('tests are run on demand and recorded', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'app', namespace, values: {} }
    await engine.install({ ...to, chart: fixed(job('good', { 'helm.sh/hook': 'test' })) })
    expect((await engine.test(to)).hooks?.[0]?.last_run.phase).toBe('Succeeded')
    await engine.upgrade({ ...to, chart: fixed(job('bad', { 'helm.sh/hook': 'test' })) })
    await expect(engine.test(to)).rejects.toThrow('Job Failed')
    expect((await engine.history('app', namespace)).at(-1)).toMatchObject({
      info: { status: 'deployed' },
      hooks: [{ last_run: { phase: 'Failed' } }],
    })
  })
})

describe('waiting', () => {
  const ready = {
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions: [
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' },
      { type: 'Available', status: 'True' },
    ],
  }

  test('ends when all is ready', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    expect((await bed.engine().history('app', namespace))[0]?.info.status).toBe('pending-install')
    await setStatus(namespace, ready)
    expect((await installing).info.status).toBe('deployed')
  })

  test('ends when nothing can become ready any more', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    const outcome = expect(installing).rejects.toThrow(
      `resource Deployment/${namespace}/web not ready. status: Failed, message: Progress deadline exceeded`,
    )
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    await setStatus(namespace, {
      observedGeneration: 1,
      conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
    })
    await outcome
  })

  test('for jobs, when asked for', async () => {
    const namespace = await bed.namespace()
    const to = { namespace, values: {}, wait: true, timeoutMs: 10_000, waitForJobs: true }
    await bed.engine().install({ ...to, name: 'good', chart: fixed(job('good')) })
    await expect(bed.engine().install({ ...to, name: 'bad', chart: fixed(job('bad')) })).rejects.toThrow('Job Failed')
  })

  test('ends after its time, and an atomic upgrade goes back', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const to = { name: 'app', namespace, values: {}, timeoutMs: 200 }
    await expect(engine.install({ ...to, chart: fixed(deployment), atomic: true })).rejects.toThrow(
      `release app failed, and has been uninstalled due to rollback-on-failure being set: resource Deployment/${namespace}/web not ready. status: InProgress, message: Replicas: 0/1\ncontext deadline exceeded`,
    )
    expect(await engine.history('app', namespace)).toEqual([])
    await engine.install({ ...to, chart: fixed(configMap('settings', { a: '1' })) })
    await expect(
      engine.upgrade({ ...to, chart: fixed(configMap('settings', { a: '2' }), deployment), atomic: true }),
    ).rejects.toThrow('release app failed, and has been rolled back due to rollback-on-failure being set: ')
    expect(await bed.configMaps(namespace)).toEqual({ settings: { a: '1' } })
    expect(await bed.get(deployments as never, namespace, 'web')).toBeUndefined()
    expect(summary(await engine.history('app', namespace)).at(-1)).toBe('3 deployed: Rollback to 1')
  })

  test('ends when told to, and the release has failed', async () => {
    const namespace = await bed.namespace()
    const abort = new AbortController()
    const engine = bed.engine({ signal: abort.signal })
    const installing = engine.install({ name: 'app', namespace, chart: fixed(deployment), values: {}, wait: true })
    const outcome = expect(installing).rejects.toThrow('context canceled')
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    abort.abort(new Error('shutting down'))
    await outcome
    expect((await bed.engine().history('app', namespace))[0]?.info.status).toBe('failed')
  })

  async function setStatus(namespace: string, status: object): Promise<void> {
    const object = await bed.api.get(deployments, { name: 'web', namespace })
    await bed.api.update(deployments, { ...object, status } as typeof object, { subresource: 'status' })
  }
})

describe('two at once', () => {
  test('of two upgrades one is refused, and the release is whole', async () => {
    const namespace = await bed.namespace()
    const to = { name: 'web', namespace, chart: web }
    await bed.engine().install({ ...to, values: {} })
    const outcomes = await Promise.allSettled(
      ['red', 'green'].map(color => bed.engine().upgrade({ ...to, values: { color } })),
    )
    const refused = outcomes.flatMap(outcome =>
      outcome.status === 'rejected' ? [(outcome.reason as Error).message] : [],
    )
    expect(refused).toHaveLength(1)
    expect(['release: already exists', 'another operation (install/upgrade/rollback) is in progress']).toContain(
      refused[0],
    )
    expect(summary(await bed.engine().history('web', namespace))).toEqual([
      '1 superseded: Install complete',
      '2 deployed: Upgrade complete',
    ])
  })

  test('an uninstall during an install leaves nothing once it is repeated', async () => {
    const namespace = await bed.namespace()
    const installing = bed
      .engine()
      .install({
        name: 'app',
        namespace,
        chart: fixed(deployment, configMap('settings', {})),
        values: {},
        wait: true,
        timeoutMs: 500,
      })
      .catch(() => {})
    await until(async () => (await bed.get(deployments as never, namespace, 'web')) !== undefined)
    await bed.engine().uninstall({ name: 'app', namespace, wait: true })
    await installing
    expect(await bed.engine().uninstall({ name: 'app', namespace })).toBeUndefined()
    expect([await bed.configMaps(namespace), await bed.get(deployments as never, namespace, 'web')]).toEqual([
      {},
      undefined,
    ])
  })
})

describe('a namespace that is going away', () => {
  async function terminate(namespace: string): Promise<void> {
    await bed.api.delete(namespaces, { name: namespace })
    expect((await bed.api.get(namespaces, { name: namespace })).metadata.deletionTimestamp).toBeDefined()
  }

  test('does not keep a release from being uninstalled', async () => {
    const namespace = await bed.namespace()
    const engine = bed.engine()
    const app = fixed(
      configMap('settings', {}),
      job('before', { 'helm.sh/hook': 'pre-delete' }),
      hook('after', 'post-delete'),
    )
    await engine.install({ name: 'app', namespace, chart: app, values: {} })
    await terminate(namespace)
    await engine.uninstall({ name: 'app', namespace, wait: true })
    expect(await engine.history('app', namespace)).toEqual([])
    expect(await bed.configMaps(namespace)).toEqual({})
  })

  test('takes no new release, and none is left half there', async () => {
    const namespace = await bed.namespace()
    await terminate(namespace)
    await expect(
      bed.engine().install({ name: 'web', namespace, chart: web, values: {}, createNamespace: true }),
    ).rejects.toThrow('because it is being terminated')
    expect((await bed.api.list(secrets, { namespace })).items).toEqual([])
  })
})

test('a status can be set, as for an interrupted action', async () => {
  const namespace = await bed.namespace()
  const engine = bed.engine()
  await engine.install({ name: 'web', namespace, chart: web, values: {} })
  await engine.setStatus('web', namespace, 'pending-upgrade')
  await expect(engine.upgrade({ name: 'web', namespace, chart: web, values: {} })).rejects.toThrow(
    'another operation (install/upgrade/rollback) is in progress',
  )
  await engine.setStatus('web', namespace, 'failed', 'interrupted')
  expect(summary(await engine.history('web', namespace))).toEqual(['1 failed: interrupted'])
  await expect(engine.setStatus('none', namespace, 'failed')).rejects.toThrow('release: not found')
})

async function until(met: () => Promise<boolean>): Promise<void> {
  for (let left = 500; left > 0; left--) {
    if (await met()) return
    await delay(10)
  }
  throw new Error('it never happened')
}
