/** Policy and schedule operators against the assembled API server, with a clock that is advanced by hand. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { StatusError } from '../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { utc } from '../../bootstrap/api/time-zone.ts'
import { type AssembledTestServer, assembledTestServer } from '../../bootstrap/apiserver/testing-assembled.ts'
import type { Client, Resource } from '../../bootstrap/client/client.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import {
  configMaps,
  cronJobs,
  customResourceDefinitions,
  type EndpointSlice,
  endpointSlices,
  endpoints,
  jobs,
  namespaced,
  namespaces,
  type Pod,
  podDisruptionBudgets,
  pods,
  replicationControllers,
  resourceQuotas,
  serviceAccounts,
  services,
} from '../../bootstrap/client/resources.ts'
import { FakeClock } from '../../bootstrap/client/testing/fake-clock.ts'
import { disruptionController } from '../../operators/core/policy/disruption/disruption.ts'
import { staleDisruptions } from '../../operators/core/policy/disruption/stale-conditions.ts'
import { resourceQuotaController } from '../../operators/core/policy/quota/quota.ts'
import { endpointSliceMirroringController } from '../../operators/core/services/mirror.ts'
import { cronJobController } from '../../operators/core/workloads/cronjob/cron-job.ts'
import { jobController } from '../../operators/core/workloads/job/job.ts'
import { createEventRecorder } from '../../operators/runtime/events.ts'
import { runOperators } from '../../operators/runtime/run.ts'

const namespace = 'policy'
const stop = new AbortController()
const clock = new FakeClock(Date.now())
const failures: object[] = []
let server: AssembledTestServer
let client: Client
let running: Promise<void>

beforeAll(async () => {
  server = await assembledTestServer()
  client = server.client()
  await make(namespaces, namespace)
  await make(serviceAccounts, 'default')
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: (fields: object) => failures.push(fields) }
  const effects = { log, signal: stop.signal, random: Math.random }
  const informers = createInformers(client, { ...effects, clock: systemClock })
  const events = createEventRecorder({ client, clock, log, component: 'test' })
  const operators = [
    cronJobController(utc),
    jobController(),
    disruptionController(),
    staleDisruptions(),
    resourceQuotaController(),
    endpointSliceMirroringController(),
  ]
  running = runOperators(operators, { ...effects, clock, client, informers, events })
})
afterAll(async () => {
  stop.abort()
  await running
  await server.stop()
})

function make<T extends KubeObject>(resource: Resource<T>, name: string, rest: object = {}): Promise<T> {
  const { group, version, kind, namespaced } = resource
  const apiVersion = group === '' ? version : `${group}/${version}`
  const metadata = { name, ...(namespaced ? { namespace } : {}) }
  return client.create(resource, { apiVersion, kind, metadata, ...rest } as unknown as T)
}

/** The first state of an object, from now on, that is as wanted. */
async function until<T extends KubeObject>(
  resource: Resource<T>,
  name: string,
  wanted: (object: T) => boolean,
): Promise<T> {
  const enough = new AbortController()
  const selection = { ...(resource.namespaced ? { namespace } : {}), fieldSelector: `metadata.name=${name}` }
  try {
    for await (const event of client.watch(resource, selection, enough.signal))
      if (event.type !== 'BOOKMARK' && event.type !== 'DELETED' && wanted(event.object)) return event.object
  } finally {
    enough.abort()
  }
  throw new Error(`the watch of ${name} ended`)
}

const podSpec = (more: object = {}) => ({ spec: { containers: [{ name: 'c', image: 'i', ...more }] } })

async function readyPod(name: string, labels: object, owner?: KubeObject): Promise<Pod> {
  const { apiVersion, kind, metadata } = owner ?? {}
  const owners = metadata ? [{ apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true }] : []
  const made = await make(pods, name, { metadata: { name, namespace, labels, ownerReferences: owners }, ...podSpec() })
  const status = { ...made.status, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  return await client.update(pods, { ...made, status }, { subresource: 'status' })
}

const evict = (name: string) =>
  client.create(pods, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } } as unknown as Pod, {
    subresource: 'eviction',
    name,
  })

/** The Status a request is refused with; undefined when it is not. */
const refusal = (request: Promise<unknown>) =>
  request.then(
    () => undefined,
    (error: StatusError) => error.status,
  )

const widgets = namespaced<KubeObject>('example.com', 'v1', 'widgets', 'Widget')

/** A kind of its own that can be scaled. */
async function serveWidgets(): Promise<void> {
  const count = { type: 'object', properties: { replicas: { type: 'integer' } } }
  const openAPIV3Schema = { type: 'object', properties: { spec: count, status: count } }
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' }
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema }, subresources: { scale } }
  const names = { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' }
  const name = 'widgets.example.com'
  await make(customResourceDefinitions, name, {
    spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
  })
  await until(customResourceDefinitions, name, ({ status }) =>
    (status?.conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True'),
  )
}

describe('a CronJob', () => {
  test('makes a Job the server takes, which makes a pod', async () => {
    await make(cronJobs, 'task', {
      spec: {
        schedule: '* * * * *',
        jobTemplate: { spec: { template: { spec: { ...podSpec().spec, restartPolicy: 'Never' } } } },
      },
    })
    await until(cronJobs, 'task', () => true)
    await clock.advance(121_000)
    const { status } = await until(cronJobs, 'task', object => (object.status?.active ?? []).length > 0)
    const { lastScheduleTime = '', active = [] } = status ?? {}
    const name = `task-${Date.parse(lastScheduleTime) / 60_000}`
    expect(active.map(reference => reference.name)).toContain(name)
    const job = await until(jobs, name, object => object.status?.active === 1)
    expect(job.metadata).toMatchObject({
      annotations: { 'batch.kubernetes.io/cronjob-scheduled-timestamp': lastScheduleTime },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'task', controller: true }],
    })
  })
})

describe('a PodDisruptionBudget', () => {
  const violation = (message: string) => ({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: { causes: [{ reason: 'DisruptionBudget', message }] },
  })

  test('grants as many evictions as leave enough pods', async () => {
    const labels = { app: 'web' }
    for (const name of ['web-a', 'web-b']) await readyPod(name, labels)
    await make(podDisruptionBudgets, 'web', { spec: { minAvailable: 2, selector: { matchLabels: labels } } })
    await until(podDisruptionBudgets, 'web', ({ status }) => status?.currentHealthy === 2)
    expect(await refusal(evict('web-a'))).toMatchObject(
      violation('The disruption budget web needs 2 healthy pods and has 2 currently'),
    )
    await readyPod('web-c', labels)
    await until(podDisruptionBudgets, 'web', ({ status }) => status?.disruptionsAllowed === 1)
    expect(await refusal(evict('web-a'))).toBeUndefined()
    expect(await refusal(evict('web-b'))).toMatchObject({ code: 429 })
    const { status } = await until(podDisruptionBudgets, 'web', object => object.status?.expectedPods === 2)
    expect(status).toMatchObject({
      currentHealthy: 2,
      disruptionsAllowed: 0,
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' }],
    })
    expect(status?.disruptedPods).toBeUndefined()
  })

  test('takes a percentage of what the controller wants', async () => {
    const labels = { app: 'old' }
    const template = { metadata: { labels }, ...podSpec() }
    const owner = await make(replicationControllers, 'old', { spec: { replicas: 4, selector: labels, template } })
    await readyPod('old-a', labels, owner)
    await make(podDisruptionBudgets, 'old', { spec: { maxUnavailable: '25%', selector: { matchLabels: labels } } })
    const { status } = await until(podDisruptionBudgets, 'old', object => object.status?.expectedPods === 4)
    expect(status).toMatchObject({ desiredHealthy: 3, currentHealthy: 1, disruptionsAllowed: 0 })
    expect(await refusal(evict('old-a'))).toMatchObject(
      violation('The disruption budget old needs 3 healthy pods and has 1 currently'),
    )
  })

  test('knows the scale of any kind that has one', async () => {
    await serveWidgets()
    const labels = { app: 'widget' }
    const owner = await make(widgets, 'w', { spec: { replicas: 4 } })
    await readyPod('widget-a', labels, owner)
    await make(podDisruptionBudgets, 'widget', { spec: { maxUnavailable: 3, selector: { matchLabels: labels } } })
    const { status } = await until(podDisruptionBudgets, 'widget', object => object.status?.expectedPods === 4)
    expect(status).toMatchObject({ desiredHealthy: 1, disruptionsAllowed: 0 })
  })

  test('takes back what was announced and did not come', async () => {
    const made = await readyPod('announced', {})
    const lastTransitionTime = new Date(clock.now()).toISOString()
    const announced = { type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler', lastTransitionTime }
    const conditions = [...(made.status?.conditions ?? []), announced]
    await client.update(pods, { ...made, status: { ...made.status, conditions } }, { subresource: 'status' })
    const condition = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'DisruptionTarget')
    await clock.advance(121_000)
    const { status } = await until(pods, 'announced', pod => condition(pod)?.status === 'False')
    expect(condition({ ...made, status })?.reason).toBeUndefined()
  })

  test('says why it cannot be reckoned', async () => {
    const labels = { app: 'odd' }
    const owner = await make(configMaps, 'odd')
    await readyPod('odd-a', labels, owner)
    await make(podDisruptionBudgets, 'odd', { spec: { maxUnavailable: 1, selector: { matchLabels: labels } } })
    const { status } = await until(podDisruptionBudgets, 'odd', object => object.status?.conditions !== undefined)
    expect(status?.conditions).toMatchObject([
      { reason: 'SyncFailed', message: 'configmaps does not implement the scale subresource' },
    ])
  })
})

describe('a ResourceQuota', () => {
  const used = async (wanted: { [resource: string]: string }) => {
    const { status } = await until(resourceQuotas, 'quota', object =>
      Object.entries(wanted).every(([resource, amount]) => object.status?.used?.[resource] === amount),
    )
    return status
  }

  test('shows what the server lets in', async () => {
    const before = (await client.list(pods, { namespace })).items.length
    const request = podSpec({ resources: { requests: { cpu: '300m' } } })
    const hard = { pods: String(before + 1), 'count/configmaps': '9', 'services.nodeports': '2', 'requests.cpu': '1' }
    await make(resourceQuotas, 'quota', { spec: { hard } })
    await used({ pods: String(before), 'requests.cpu': '0' })
    await make(pods, 'counted', request)
    await make(services, 'counted', { spec: { type: 'NodePort', ports: [{ port: 80 }] } })
    const status = await used({ pods: String(before + 1), 'requests.cpu': '300m', 'services.nodeports': '1' })
    expect(status?.hard).toEqual(hard)
    expect(await refusal(make(pods, 'too-much', request))).toMatchObject({
      code: 403,
      message: expect.stringContaining(`exceeded quota: quota, requested: pods=1, used: pods=${before + 1}`),
    })
    await client.delete(pods, { name: 'counted', namespace })
    await used({ pods: String(before), 'requests.cpu': '0' })
    await client.delete(resourceQuotas, { name: 'quota', namespace })
  })

  test('counts custom resources', async () => {
    await make(resourceQuotas, 'quota', { spec: { hard: { 'count/widgets.example.com': '2' } } })
    await used({ 'count/widgets.example.com': '1' })
    await make(widgets, 'v')
    await used({ 'count/widgets.example.com': '2' })
    expect(await refusal(make(widgets, 'u'))).toMatchObject({ code: 403 })
    await client.delete(resourceQuotas, { name: 'quota', namespace })
  })
})

describe('hand-made Endpoints', () => {
  test('are mirrored; the ones of the API server are not', async () => {
    await make(services, 'db', { spec: { ports: [{ port: 5432 }] } })
    await make(endpoints, 'db', { subsets: [{ addresses: [{ ip: '192.0.2.7' }], ports: [{ port: 5432 }] }] })
    const slice = await firstSlice()
    expect(slice).toMatchObject({
      metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.7'], conditions: { ready: true } }],
      ports: [{ port: 5432, protocol: 'TCP' }],
    })
    const { items } = await client.list(endpointSlices, { namespace: 'default' })
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['kubernetes'])
  })

  async function firstSlice(): Promise<EndpointSlice | undefined> {
    const enough = new AbortController()
    const selection = { namespace, labelSelector: 'kubernetes.io/service-name=db' }
    try {
      for await (const event of client.watch(endpointSlices, selection, enough.signal))
        if (event.type === 'ADDED') return event.object
    } finally {
      enough.abort()
    }
    return undefined
  }
})

test('nothing failed on the way', () => {
  expect(failures).toEqual([])
})
