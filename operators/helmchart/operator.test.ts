import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { failure, isNotFound } from '../../bootstrap/api/errors.ts'
import {
  clusterRoleBindings,
  configMaps,
  type Job,
  jobs,
  runtimeClasses,
  type Secret,
  secrets,
  serviceAccounts,
} from '../../bootstrap/client/resources.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { timestamp } from '../runtime/time.ts'
import { type HelmChart, type HelmChartSpec, helmChartConfigs, helmCharts } from './helm-chart.ts'
import { helmChartOperator } from './operator.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  harness.client.seed(runtimeClasses, {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'embedded' },
    handler: 'embedded',
  })
  await harness.start(helmChartOperator({ image: undefined, apiServerPort: 6443, proxies: {} }))
})
afterEach(async () => {
  expect(harness.failures).toEqual([])
  await harness.stop()
})

const namespace = 'apps'
const at = { name: 'web', namespace }
const meta = { apiVersion: 'helm.cattle.io/v1', kind: 'HelmChart' }
const chart = () => harness.client.get(helmCharts, at)
const conditions = async () =>
  ((await chart()).status?.conditions ?? []).map(({ type, status, reason = '' }) =>
    `${type}=${status} ${reason}`.trim(),
  )

async function create(spec: HelmChartSpec = { chart: 'web', repo: 'https://charts.test' }, metadata = {}) {
  await harness.client.create(helmCharts, { ...meta, metadata: { ...at, ...metadata }, spec })
  await harness.idle()
}

async function change(spec: HelmChartSpec, metadata = {}) {
  await harness.client.patch(helmCharts, at, { metadata, spec }, { type: 'merge' })
  await harness.idle()
}

const find = (action: 'install' | 'delete' = 'install') =>
  harness.client.get(jobs, { name: `helm-${action}-web`, namespace }).catch(error => {
    if (isNotFound(error)) return undefined
    throw error
  })
const envOf = (job: Job | undefined, name: string) =>
  job?.spec.template.spec?.containers[0]?.env?.find(variable => variable.name === name)?.value

/** What the Job controller writes. */
async function jobStatus(status: NonNullable<Job['status']>, action: 'install' | 'delete' = 'install') {
  const name = { name: `helm-${action}-web`, namespace }
  await harness.client.patch(jobs, name, { status }, { type: 'merge', subresource: 'status' })
  await harness.idle()
}
const condition = (type: string, status = 'True') => ({
  type,
  status,
  lastTransitionTime: timestamp(harness.clock.now()),
})
const sync = (action?: 'delete') => jobStatus({ conditions: [condition('Suspended')] }, action)
const run = (action?: 'delete') => jobStatus({ active: 1, conditions: [condition('Suspended', 'False')] }, action)
const end = (type: 'Complete' | 'Failed', action?: 'delete') =>
  jobStatus({ active: 0, conditions: [condition('Suspended', 'False'), condition(type)] }, action)
const podsGone = (action?: 'delete') => jobStatus({ active: 0, conditions: [condition('Suspended')] }, action)

/** What helm leaves behind. */
async function release(version: number, status: string, hash?: string, inNamespace = namespace) {
  const labels = { owner: 'helm', name: 'web', version: String(version), status }
  const hashLabel = hash === undefined ? {} : { 'helmcharts.helm.cattle.io/configHash': hash }
  await harness.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: `sh.helm.release.v1.web.v${version}`,
      namespace: inNamespace,
      labels: { ...labels, ...hashLabel },
    },
    type: 'helm.sh/release.v1',
  })
  await harness.idle()
}

/** Runs the Job to its end, the way a good chart does. */
async function deploy(version: number, inNamespace?: string) {
  await sync()
  await run()
  await release(version, 'deployed', envOf(await find(), 'CONFIG_HASH'), inNamespace)
  await end('Complete')
}

async function createSecret(name: string, data: NonNullable<Secret['data']>) {
  await harness.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, data })
  await harness.idle()
}

test('a chart is claimed, held by a finalizer, and given a suspended Job with all it needs', async () => {
  await create({ chart: 'web', repo: 'https://charts.test', version: '1.2.3', valuesContent: 'a: 1' })
  const { metadata, status } = await chart()
  expect(metadata.annotations).toEqual({ 'helmcharts.cattle.io/managed-by': 'helm-controller' })
  expect(metadata.finalizers).toEqual(['wrangler.cattle.io/on-helm-chart-remove'])
  expect(status?.jobName).toBe('helm-install-web')
  expect(status?.conditions).toEqual([
    {
      type: 'JobCreated',
      status: 'True',
      reason: 'Job created',
      message: 'Applying HelmChart using Job apps/helm-install-web',
    },
    { type: 'Failed', status: 'False' },
  ])
  const job = await find()
  expect(job?.spec.suspend).toBe(true)
  expect(job?.metadata.labels).toEqual({ 'helmcharts.helm.cattle.io/chart': 'web' })
  expect(job?.metadata.ownerReferences).toMatchObject([{ kind: 'HelmChart', name: 'web', uid: metadata.uid }])
  expect(envOf(job, 'EXPECTED_RELEASE_REVISION')).toBe('0')
  expect(await harness.client.get(serviceAccounts, { name: 'helm-web', namespace })).toMatchObject({
    automountServiceAccountToken: true,
    metadata: { ownerReferences: [{ kind: 'HelmChart' }] },
  })
  expect(await harness.client.get(clusterRoleBindings, { name: 'helm-apps-web' })).toMatchObject({
    roleRef: { kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: 'helm-web', namespace }],
  })
  expect(await harness.client.get(secrets, { name: 'chart-values-web', namespace })).toMatchObject({
    type: 'helmcharts.helm.cattle.io/values',
    data: { HelmChartValuesContent: Buffer.from('a: 1').toString('base64') },
  })
  expect((await harness.client.get(configMaps, { name: 'chart-content-web', namespace })).data).toEqual({})
  expect(harness.events()).toEqual([
    'ApplyJob: Applying HelmChart from web version 1.2.3 from chart repository https://charts.test using Job apps/helm-install-web',
  ])
})

test('the Job is started once the Job controller knows it, and left alone until it ends', async () => {
  await create()
  expect((await find())?.spec.suspend).toBe(true)
  await sync()
  expect((await find())?.spec.suspend).toBe(false)
  await run()
  const uid = (await find())?.metadata.uid
  await release(1, 'pending-install')
  await change({}, { labels: { touched: 'yes' } })
  expect((await find())?.metadata.uid).toBe(uid)
  expect(harness.events()).toContain('ResumeJob: Resumed synced Job apps/helm-install-web')
})

test('nothing is done once the release of this configuration is deployed', async () => {
  await create()
  await deploy(1)
  const uid = (await find())?.metadata.uid
  await change({}, { labels: { touched: 'yes' } })
  await harness.advance(60_000)
  expect((await find())?.metadata.uid).toBe(uid)
})

test('an edit makes a new Job that expects the revision there is now', async () => {
  await create()
  await deploy(1)
  const before = await find()
  await change({ version: '2.0.0' })
  const after = await find()
  expect(after?.metadata.uid).not.toBe(before?.metadata.uid)
  expect(after?.spec.suspend).toBe(true)
  expect(envOf(after, 'EXPECTED_RELEASE_REVISION')).toBe('1')
  expect(envOf(after, 'CONFIG_HASH')).not.toBe(envOf(before, 'CONFIG_HASH'))
})

test.each<[string, () => Promise<unknown>]>([
  [
    'a HelmChartConfig appears',
    () =>
      harness.client.create(helmChartConfigs, {
        apiVersion: meta.apiVersion,
        kind: 'HelmChartConfig',
        metadata: at,
        spec: { valuesContent: 'b: 2' },
      }),
  ],
  ['a Secret it names changes', () => createSecret('more', { 'values.yaml': 'Yjogdg==' })],
  ['the Job is deleted', () => harness.client.delete(jobs, { name: 'helm-install-web', namespace })],
])('a new Job when %s', async (_, happens) => {
  await create({ chart: 'web', valuesSecrets: [{ name: 'more', keys: ['values.yaml'] }] })
  await deploy(1)
  const uid = (await find())?.metadata.uid
  await happens()
  await harness.idle()
  expect(await find()).toBeDefined()
  expect((await find())?.metadata.uid).not.toBe(uid)
})

test('deleting the HelmChartConfig goes back to the chart alone', async () => {
  await create()
  const plain = envOf(await find(), 'CONFIG_HASH')
  await deploy(1)
  const kind = 'HelmChartConfig'
  const spec = { valuesContent: 'b: 2', failurePolicy: 'abort', serverSide: 'false', forceConflicts: true } as const
  await harness.client.create(helmChartConfigs, { apiVersion: meta.apiVersion, kind, metadata: at, spec })
  await harness.idle()
  const configured = await find()
  expect(['FAILURE_POLICY', 'SERVER_SIDE', 'FORCE_CONFLICTS'].map(name => envOf(configured, name))).toEqual([
    'abort',
    'false',
    'true',
  ])
  await deploy(2)
  await harness.client.delete(helmChartConfigs, at)
  await harness.idle()
  expect(envOf(await find(), 'CONFIG_HASH')).toBe(plain)
  expect(envOf(await find(), 'EXPECTED_RELEASE_REVISION')).toBe('2')
})

test('Secrets whose updates are ignored, and the own one, cause nothing', async () => {
  await createSecret('quiet', { v: 'YQ==' })
  await create({
    chart: 'web',
    valuesSecrets: [
      { name: 'quiet', keys: ['v'], ignoreUpdates: true },
      { name: 'chart-values-web', keys: ['v'] },
    ],
  })
  await deploy(1)
  const uid = (await find())?.metadata.uid
  await harness.client.patch(secrets, { name: 'quiet', namespace }, { data: { v: 'Yg==' } }, { type: 'merge' })
  await harness.idle()
  expect((await find())?.metadata.uid).toBe(uid)
})

describe('replacing a Job', () => {
  test('a running one is stopped first, and replaced when its pods are gone', async () => {
    await create()
    await sync()
    await run()
    const uid = (await find())?.metadata.uid
    await change({ version: '2.0.0' })
    expect(await find()).toMatchObject({ metadata: { uid }, spec: { suspend: true } })
    await jobStatus({ active: 0, terminating: 1, conditions: [condition('Suspended')] })
    expect((await find())?.metadata.uid).toBe(uid)
    await jobStatus({ active: 0, terminating: 0 })
    expect((await find())?.metadata.uid).not.toBe(uid)
    expect(harness.events()).toContain('SuspendJob: Suspended Job apps/helm-install-web for delete')
  })

  test('one the Job controller has not seen is left until then', async () => {
    await create()
    const uid = (await find())?.metadata.uid
    await change({ version: '2.0.0' })
    expect((await find())?.metadata.uid).toBe(uid)
    await sync()
    expect((await find())?.metadata.uid).not.toBe(uid)
  })

  test('two quick changes, the second back to the first: one Job in the end, for what is asked now', async () => {
    await create()
    const first = envOf(await find(), 'CONFIG_HASH')
    await sync()
    await run()
    await change({ version: '2.0.0' })
    await change({ version: null } as never)
    await podsGone()
    const job = await find()
    expect(envOf(job, 'CONFIG_HASH')).toBe(first)
    expect(job?.spec.suspend).toBe(true)
    await sync()
    expect((await find())?.spec.suspend).toBe(false)
  })

  test.each(['active', 'successful', 'failed'])('an old %s Job of that name makes way', async state => {
    const template = { spec: { containers: [{ name: 'old', image: 'old' }] } }
    const old = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'helm-install-web', namespace } }
    await harness.client.create(jobs, { ...old, spec: { template } })
    if (state === 'active') await jobStatus({ active: 1 })
    else await jobStatus({ conditions: [condition(state === 'failed' ? 'Failed' : 'Complete')] })
    await create()
    if (state === 'active') {
      expect((await find())?.spec.suspend).toBe(true)
      await podsGone()
    }
    expect(envOf(await find(), 'NAME')).toBe('web')
  })
})

describe('a Job that ended', () => {
  test('well, but left another release: it is made again, not at once', async () => {
    await create()
    const uid = (await find())?.metadata.uid
    await sync()
    await run()
    await release(7, 'deployed', 'ANOTHER')
    await end('Complete')
    expect((await find())?.metadata.uid).toBe(uid)
    await harness.advance(10_001)
    expect((await find())?.metadata.uid).not.toBe(uid)
    expect(envOf(await find(), 'EXPECTED_RELEASE_REVISION')).toBe('7')
  })

  test('badly: the chart says so until it changes', async () => {
    await create()
    await sync()
    await run()
    await end('Failed')
    expect(await conditions()).toEqual(['JobCreated=True Job created', 'Failed=True Job failed'])
    expect(harness.events()).toContain('JobFailed: Job has reached configured number of retries without succeeding')
    const uid = (await find())?.metadata.uid
    await harness.advance(60_000)
    expect((await find())?.metadata.uid).toBe(uid)
    await change({ version: '2.0.0' })
    expect((await find())?.metadata.uid).not.toBe(uid)
    expect(await conditions()).toEqual(['JobCreated=True Job created', 'Failed=False'])
  })
})

describe('charts that get no Job', () => {
  test.each<[string, HelmChartSpec, object]>([
    ['without chart and content', { repo: 'https://charts.test' }, {}],
    ['unmanaged', { chart: 'web' }, { annotations: { 'helmcharts.helm.cattle.io/unmanaged': '' } }],
    ['of another controller', { chart: 'web' }, { annotations: { 'helmcharts.cattle.io/managed-by': 'other' } }],
  ])('%s', async (_, spec, metadata) => {
    await create(spec, metadata)
    const before = await chart()
    await harness.advance(60_000)
    expect(await find()).toBeUndefined()
    expect(await chart()).toEqual(before)
    expect(before.metadata.finalizers).toBeUndefined()
  })

  test('for Helm 2', async () => {
    await create({ chart: 'web', helmVersion: 'v2' })
    expect(await find()).toBeUndefined()
    expect(await conditions()).toEqual(['JobCreated=False', 'Failed=True Unsupported version'])
    expect(harness.events()).toEqual(['UnsupportedVersion: Unsupported Helm version v2: only v3 charts are supported'])
    await harness.client.delete(helmCharts, at)
    await harness.idle()
    await expect(chart()).rejects.toThrow('not found')
  })

  test('with a timeout that is none', async () => {
    await create({ chart: 'web', timeout: 'soon' })
    expect(await find()).toBeUndefined()
    expect(await conditions()).toEqual(['JobCreated=False', 'Failed=True Job create failed'])
    expect((await chart()).status?.conditions?.[1]?.message).toBe(
      'Failed to generate Job: spec.timeout: "soon" is not a duration, want a text such as 90s, 10m or 1h30m',
    )
    await change({ timeout: '90s' })
    expect(envOf(await find(), 'TIMEOUT')).toBe('1m30s')
  })
})

describe('deletion', () => {
  const remove = async () => {
    await harness.client.delete(helmCharts, at)
    await harness.idle()
  }
  const gone = async () => {
    await expect(chart()).rejects.toThrow('not found')
    await expect(harness.client.get(clusterRoleBindings, { name: 'helm-apps-web' })).rejects.toThrow('not found')
  }
  const dropRelease = () => harness.client.delete(secrets, { name: 'sh.helm.release.v1.web.v1', namespace })

  test('a Job uninstalls, then everything goes', async () => {
    await create()
    await deploy(1)
    await remove()
    expect(await find()).toBeUndefined()
    const job = await find('delete')
    expect(job?.spec.template.spec?.containers[0]?.args).toEqual(['delete'])
    expect(envOf(job, 'EXPECTED_RELEASE_REVISION')).toBe('1')
    expect((await chart()).status?.jobName).toBe('helm-delete-web')
    await sync('delete')
    await run('delete')
    await dropRelease()
    await end('Complete', 'delete')
    await gone()
    expect(harness.events().slice(-2)).toEqual([
      'ResumeJob: Resumed synced Job apps/helm-delete-web',
      'RemoveJob: Uninstalled HelmChart using Job apps/helm-delete-web, removing resources',
    ])
  })

  test('again and again as long as the release is there', async () => {
    await create()
    await deploy(1)
    await remove()
    const uid = (await find('delete'))?.metadata.uid
    await sync('delete')
    await end('Complete', 'delete')
    await harness.advance(10_001)
    expect(await find('delete')).toBeDefined()
    expect((await find('delete'))?.metadata.uid).not.toBe(uid)
    await dropRelease()
    await sync('delete')
    await end('Complete', 'delete')
    await gone()
  })

  test('while installing: nothing is uninstalled before the install has ended', async () => {
    await create()
    await sync()
    await run()
    await remove()
    expect((await find())?.spec.suspend).toBe(true)
    expect(await find('delete')).toBeUndefined()
    await podsGone()
    expect(await find()).toBeUndefined()
    expect(await find('delete')).toBeDefined()
  })

  test('in a namespace that is going: no Job can be made, the chart is let go', async () => {
    await create()
    await deploy(1)
    const details = { causes: [{ reason: 'NamespaceTerminating' }] }
    harness.client.before = ({ verb }) => {
      if (verb === 'create') throw failure(403, 'Forbidden', 'namespace is being terminated', details)
    }
    await remove()
    await gone()
  })

  test('of an unmanaged chart: no Job', async () => {
    await create()
    await deploy(1)
    await change({}, { annotations: { 'helmcharts.helm.cattle.io/unmanaged': 'true' } })
    await remove()
    expect(await find('delete')).toBeUndefined()
    await gone()
  })
})

test('the release is looked for in the target namespace', async () => {
  await release(4, 'deployed')
  await create({ chart: 'web', targetNamespace: 'there' })
  expect(envOf(await find(), 'EXPECTED_RELEASE_REVISION')).toBe('0')
  await deploy(1, 'there')
  await change({ version: '3' })
  expect(envOf(await find(), 'EXPECTED_RELEASE_REVISION')).toBe('1')
})

test('charts of one name in two namespaces do not disturb each other', async () => {
  await release(5, 'deployed', 'OTHER', 'elsewhere')
  await create()
  await deploy(1)
  const uid = (await find())?.metadata.uid
  await harness.advance(60_000)
  expect((await find())?.metadata.uid).toBe(uid)
})

test('releases kept in ConfigMaps are found there', async () => {
  const labels = { owner: 'helm', name: 'web', version: '3', status: 'failed' }
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace, labels } }
  await harness.client.create(configMaps, object)
  await create({ chart: 'web', driver: 'configmap' })
  expect(envOf(await find(), 'EXPECTED_RELEASE_REVISION')).toBe('3')
  expect(envOf(await find(), 'HELM_DRIVER')).toBe('configmap')
})

test('a cluster without embedded pods runs klipper-helm', async () => {
  await harness.client.delete(runtimeClasses, { name: 'embedded' })
  await create()
  const pod = (await find())?.spec.template.spec
  expect(pod?.runtimeClassName).toBeUndefined()
  expect(pod?.containers[0]?.image).toMatch(/^rancher\/klipper-helm:/)
})

test('helpers that somebody else made are taken over', async () => {
  const object = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'helm-web', namespace } }
  await harness.client.create(serviceAccounts, object)
  await create()
  const { metadata } = await harness.client.get(serviceAccounts, { name: 'helm-web', namespace })
  expect(metadata.ownerReferences).toMatchObject([{ uid: ((await chart()) as HelmChart).metadata.uid }])
})
