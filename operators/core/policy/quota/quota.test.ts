import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import {
  customResourceDefinitions,
  namespaced,
  persistentVolumeClaims,
  pods,
  type ResourceQuota,
  resourceQuotas,
  secrets,
  services,
} from '../../../../bootstrap/client/resources.ts'
import { Harness } from '../../../runtime/testing/harness.ts'
import { resourceQuotaController } from './quota.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(resourceQuotaController())
})
afterEach(() => harness.stop())

const at = { name: 'quota', namespace: 'default' }
const widgets = namespaced<KubeObject>('example.com', 'v1', 'widgets', 'Widget')

async function quota(hard: { [resource: string]: string }, spec: Partial<ResourceQuota['spec']> = {}): Promise<void> {
  harness.client.seed(resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: at,
    spec: { hard, ...spec },
  })
  await harness.idle()
}

async function given<T extends KubeObject>(
  resource: Resource<T>,
  name: string,
  rest: object = {},
  namespace = 'default',
) {
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
  const object = { apiVersion, kind: resource.kind, metadata: { name, namespace }, ...rest } as unknown as T
  harness.client.seed(resource, object)
  await harness.idle()
}

const cpu = (requests: string, more: object = {}) => ({
  spec: { containers: [{ name: 'c', resources: { requests: { cpu: requests } } }], ...more },
})
const status = async () => (await harness.client.get(resourceQuotas, at)).status
const used = async () => (await status())?.used

describe('a quota', () => {
  test('shows its bounds and what is used of them', async () => {
    await given(pods, 'before', cpu('250m'))
    await quota({ pods: '10', 'requests.cpu': '2', secrets: '1', 'count/deployments.apps': '4' })
    expect(await status()).toEqual({
      hard: { pods: '10', 'requests.cpu': '2', secrets: '1', 'count/deployments.apps': '4' },
      used: { pods: '1', 'requests.cpu': '250m', secrets: '0', 'count/deployments.apps': '0' },
    })
    await given(pods, 'a', cpu('1'))
    await given(pods, 'elsewhere', cpu('1'), 'other')
    await given(secrets, 's')
    expect(await used()).toMatchObject({ pods: '2', 'requests.cpu': '1250m', secrets: '1' })
    expect(harness.failures).toEqual([])
  })

  test('follows its objects', async () => {
    await quota({ pods: '10', secrets: '3', 'services.nodeports': '5', 'requests.storage': '1Ti' })
    await given(pods, 'a', cpu('1'))
    await given(services, 's', { spec: { type: 'NodePort', ports: [{ port: 1 }, { port: 2 }] } })
    await given(persistentVolumeClaims, 'c', { spec: { resources: { requests: { storage: '5Gi' } } } })
    await given(secrets, 'x')
    expect(await used()).toEqual({ pods: '1', secrets: '1', 'services.nodeports': '2', 'requests.storage': '5Gi' })
    const name = (name: string) => ({ name, namespace: 'default' })
    const ended = { status: { phase: 'Succeeded' } }
    await harness.client.patch(pods, name('a'), ended, { type: 'merge', subresource: 'status' })
    await harness.idle()
    expect(await used()).toMatchObject({ pods: '0' })
    await harness.client.patch(services, name('s'), { spec: { type: 'ClusterIP' } }, { type: 'merge' })
    await harness.idle()
    expect(await used()).toMatchObject({ 'services.nodeports': '0' })
    await harness.client.delete(secrets, name('x'))
    await harness.client.delete(persistentVolumeClaims, name('c'))
    await harness.idle()
    expect(await used()).toEqual({ pods: '0', secrets: '0', 'services.nodeports': '0', 'requests.storage': '0' })
  })

  test('counts what its scopes cover', async () => {
    await quota({ pods: '10' }, { scopes: ['Terminating'] })
    await given(pods, 'a', cpu('1'))
    await given(pods, 'b', cpu('1', { activeDeadlineSeconds: 5 }))
    expect(await used()).toEqual({ pods: '1' })
  })

  test('takes new bounds', async () => {
    await quota({ pods: '10' })
    await harness.client.patch(resourceQuotas, at, { spec: { hard: { pods: null, cpu: '1' } } }, { type: 'merge' })
    await harness.idle()
    expect(await status()).toEqual({ hard: { cpu: '1' }, used: { cpu: '0' } })
  })

  test('leaves a status that says the same in other words', async () => {
    await quota({ 'requests.cpu': '1000m' }, {})
    const before = harness.client.calls.length
    const status = { hard: { 'requests.cpu': '1' }, used: { 'requests.cpu': '0m' } }
    await harness.client.patch(resourceQuotas, at, { status }, { type: 'merge', subresource: 'status' })
    await harness.idle()
    expect(harness.client.calls.slice(before).filter(({ verb }) => verb === 'update')).toEqual([])
  })

  test('counts custom resources once they are served', async () => {
    await quota({ 'count/widgets.example.com': '5' })
    expect(await used()).toEqual({ 'count/widgets.example.com': '0' })
    harness.client.resources.push(widgets)
    await given(widgets, 'w')
    harness.client.seed(customResourceDefinitions, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'widgets.example.com' },
      spec: { group: 'example.com', names: { plural: 'widgets', kind: 'Widget' }, scope: 'Namespaced', versions: [] },
      status: { conditions: [{ type: 'Established', status: 'True' }] },
    })
    await harness.idle()
    expect(await used()).toEqual({ 'count/widgets.example.com': '1' })
    await given(widgets, 'v')
    expect(await used()).toEqual({ 'count/widgets.example.com': '2' })
  })
})
