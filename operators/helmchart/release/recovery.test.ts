/** An action that is cut short anywhere is made good by the next one, as the Helm job's decision table asks for it. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Client, Resource } from '../../../bootstrap/client/client.ts'
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  jobs,
  secrets,
  services,
} from '../../../bootstrap/client/resources.ts'
import type { ReleaseActions } from './release.ts'
import { type Bed, releaseBed } from './testing/bed.ts'
import { chart, configMap, gadgets, hook, type TestChart, yaml } from './testing/charts.ts'
import { type CutClient, cutClient } from './testing/cut.ts'

jest.setTimeout(60_000)

let bed: Bed
beforeAll(async () => {
  bed = await releaseBed({ runJobs: true })
})
afterAll(() => bed.stop())

const job = (name: string, events: string) =>
  yaml({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, annotations: { 'helm.sh/hook': events } },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } },
  })

function app(group: string): TestChart {
  return chart(
    'app',
    ({ values }) => [
      configMap('settings', { color: String(values.color) }),
      ...(values.color === 'red' ? [configMap('old', {})] : [configMap('new', {})]),
      yaml({ apiVersion: `${group}/v1`, kind: 'Gadget', metadata: { name: 'gadget' }, spec: { color: values.color } }),
      yaml({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: values.color === 'red' ? 80 : 81 }] },
      }),
      yaml({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web' },
        spec: {
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: { labels: { app: 'web' } },
            spec: { containers: [{ name: 'web', image: `web:${String(values.color)}` }] },
          },
        },
      }),
      job('prepare', 'pre-install,pre-upgrade,pre-delete,pre-rollback'),
      hook('after', 'post-install,post-upgrade,post-delete,post-rollback', {
        'helm.sh/hook-delete-policy': 'hook-succeeded',
      }),
    ],
    [gadgets(group)],
  )
}

interface Place {
  readonly namespace: string
  readonly group: string
  readonly app: TestChart
}

let count = 0
function place(): Place {
  const group = `cut${++count}.example.com`
  return { namespace: `cut-${count}`, group, app: app(group) }
}

const red = { color: 'red' }
const green = { color: 'green' }
const timeoutMs = 20_000

type Action = (engine: ReleaseActions, place: Place) => Promise<unknown>

const install =
  (values: typeof red, serverSide: 'true' | 'false' = 'true'): Action =>
  (engine, { app, namespace }) =>
    engine.install({ name: 'app', namespace, chart: app, values, createNamespace: true, timeoutMs, serverSide })
const upgrade =
  (values: typeof red): Action =>
  (engine, { app, namespace }) =>
    engine.upgrade({ name: 'app', namespace, chart: app, values, timeoutMs })
const uninstall: Action = (engine, { namespace }) => engine.uninstall({ name: 'app', namespace, wait: true, timeoutMs })
const rollback: Action = (engine, { namespace }) => engine.rollback({ name: 'app', namespace, timeoutMs })

/** What the Helm job does when it finds the release in some state. */
async function helmJob(engine: ReleaseActions, place: Place, values: typeof red, policy: 'reinstall' | 'retry') {
  let status = (await engine.history('app', place.namespace)).at(-1)?.info.status
  if (status === undefined) return void (await install(values)(engine, place))
  if (['pending-install', 'pending-upgrade', 'pending-rollback', 'superseded', 'uninstalling'].includes(status)) {
    await engine.setStatus('app', place.namespace, 'failed')
    if (status === 'pending-upgrade' || status === 'superseded') return void (await upgrade(values)(engine, place))
    status = 'failed'
  }
  if (status === 'deployed' || policy === 'retry') return void (await upgrade(values)(engine, place))
  await uninstall(engine, place)
  await install(values)(engine, place)
}

/** Everything in the namespace that the chart is about, without what differs from run to run. */
async function state({ namespace, group }: Place): Promise<object> {
  const kinds: Resource[] = [
    configMaps as unknown as Resource,
    services as unknown as Resource,
    deployments as unknown as Resource,
    jobs as unknown as Resource,
    { group, version: 'v1', resource: 'gadgets', kind: 'Gadget', namespaced: true },
  ]
  const objects = await Promise.all(
    kinds.map(async kind => (await bed.api.list(kind, { namespace }).catch(() => ({ items: [] }))).items),
  )
  const { items } = await bed.api.list(secrets, { namespace, labelSelector: 'owner=helm' })
  const statuses = items.map(({ metadata }) => metadata.labels?.status)
  return {
    objects: objects.flat().map(object => plain(object, group)),
    deployed: statuses.filter(status => status === 'deployed').length,
    pending: statuses.filter(status => status?.includes('ing')).length,
  }
}

function plain({ metadata, status: _, ...rest }: KubeObject, group: string): unknown {
  const { name, labels, annotations } = metadata
  const text = JSON.stringify({ ...rest, metadata: { name, labels, annotations } }, (key, value: unknown) =>
    chosenByServer.includes(key) ? undefined : value,
  )
  const neutral = text
    .replaceAll(group, 'GROUP')
    .replace(/cut-\d+/g, 'NAMESPACE')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UID')
  return JSON.parse(neutral)
}

const chosenByServer = ['clusterIP', 'clusterIPs', 'nodePort']

async function undisturbed(...actions: readonly Action[]): Promise<object> {
  const here = place()
  for (const action of actions) await action(bed.engine(), here)
  const after = await state(here)
  await forget(here)
  return after
}

/** Discovery, which every action reads, grows with every definition. */
async function forget({ group }: Place): Promise<void> {
  await bed.api.delete(customResourceDefinitions, { name: `gadgets.${group}` }).catch(ignoreNotFound)
}

/**
 * Runs `before`, then `action` cut at every write in turn, then `recover`, until a run is not cut any more. The state
 * afterwards must be `wanted` each time. Resolves with the number of cuts.
 */
async function cutEverywhere(
  before: readonly Action[],
  action: Action,
  recover: Action,
  wanted: object,
  when: 'before' | 'after' | 'aborted',
): Promise<number> {
  for (let at = 1; ; at++) {
    const here = place()
    for (const step of before) await step(bed.engine(), here)
    const { client, engine } = cutAt(bed.api, at, when)
    const failure = await action(engine, here).then(
      () => undefined,
      (error: Error) => error.message,
    )
    await recover(bed.engine(), here)
    const after = await state(here)
    expect({ cut: `${when} ${at}, ${client.writes[at - 1]}: ${failure}`, ...after }).toMatchObject(wanted)
    await forget(here)
    if (client.writes.length < at) return at - 1
  }
}

function cutAt(
  api: Client,
  at: number,
  when: 'before' | 'after' | 'aborted',
): { client: CutClient; engine: ReleaseActions } {
  const abort = new AbortController()
  if (when !== 'aborted') {
    const client = cutClient(api, at, when, () => abort.abort(new Error('killed')))
    return { client, engine: bed.engine({ client, signal: abort.signal }) }
  }
  const client = cutClient(api, Number.POSITIVE_INFINITY, 'before')
  const counting = new Proxy(client, {
    get(target, name) {
      if (target.writes.length >= at) abort.abort(new Error('told to stop'))
      return Reflect.get(target, name) as unknown
    },
  })
  return { client, engine: bed.engine({ client: counting, signal: abort.signal }) }
}

type Way = 'before' | 'after' | 'aborted'

describe('an interrupted install', () => {
  test.each<[Way, 'reinstall' | 'retry']>([
    ['before', 'reinstall'],
    ['aborted', 'reinstall'],
    ['after', 'retry'],
  ])('cut %s each write, failure policy %s', async (when, policy) => {
    const wanted = await undisturbed(install(red))
    const recover: Action = (engine, here) => helmJob(engine, here, red, policy)
    expect(await cutEverywhere([], install(red), recover, wanted, when)).toBeGreaterThan(10)
  })
})

describe('an interrupted upgrade', () => {
  test.each<[Way, 'true' | 'false']>([
    ['before', 'true'],
    ['aborted', 'true'],
    ['after', 'false'],
  ])('cut %s each write, server-side %s', async (when, side) => {
    const wanted = await undisturbed(install(red, side), upgrade(green))
    const recover: Action = (engine, here) => helmJob(engine, here, green, 'retry')
    expect(await cutEverywhere([install(red, side)], upgrade(green), recover, wanted, when)).toBeGreaterThan(8)
  })

  test('cut after each write, and called off', async () => {
    const wanted = await undisturbed(install(red))
    const recover: Action = (engine, here) => helmJob(engine, here, red, 'retry')
    expect(await cutEverywhere([install(red)], upgrade(green), recover, wanted, 'after')).toBeGreaterThan(8)
  })
})

test('an interrupted rollback, cut before each write', async () => {
  const wanted = await undisturbed(install(red))
  const recover: Action = (engine, here) => helmJob(engine, here, red, 'retry')
  const before = [install(red), upgrade(green)]
  expect(await cutEverywhere(before, rollback, recover, wanted, 'before')).toBeGreaterThan(8)
})

describe('an interrupted uninstall', () => {
  test.each<Way>(['after', 'aborted'])('cut %s each write, and uninstalled again', async when => {
    const wanted = await undisturbed(install(red), uninstall)
    expect(await cutEverywhere([install(red)], uninstall, uninstall, wanted, when)).toBeGreaterThan(8)
  })

  test('cut before each write, and installed again', async () => {
    const wanted = await undisturbed(install(red))
    const recover: Action = (engine, here) => helmJob(engine, here, red, 'reinstall')
    expect(await cutEverywhere([install(red)], uninstall, recover, wanted, 'before')).toBeGreaterThan(8)
  })
})
