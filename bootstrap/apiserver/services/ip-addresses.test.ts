import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { inProcessClient } from '../inprocess.ts'
import { admin, type TestServer, testServer } from '../testing.ts'
import { ServiceAllocator } from './allocator.ts'
import { ensureServiceCidr, followIpAddresses } from './ip-addresses.ts'

const addresses = '/apis/networking.k8s.io/v1/ipaddresses'
const services = '/api/v1/namespaces/n/services'

let api: TestServer
let stop: AbortController
const failures: unknown[] = []

beforeEach(async () => {
  stop = new AbortController()
  const allocator = new ServiceAllocator({ serviceCidrs: ['10.43.0.0/16'] })
  api = await testServer({ hooks: new Map([['/services', allocator]]) })
})

afterEach(async () => {
  stop.abort()
  await api.stop()
  expect(failures).toEqual([])
})

async function follow(): Promise<void> {
  const { store } = api.server.deps
  const parts = {
    services: await store.resource('', 'services', true),
    addresses: await store.resource('networking.k8s.io', 'ipaddresses', false),
    client: inProcessClient(api.server, admin),
    onError: (error: unknown) => failures.push(error),
  }
  void followIpAddresses(parts, stop.signal)
}

const service = (name: string, clusterIP: string) => ({
  metadata: { name },
  spec: { clusterIP, ports: [{ port: 80 }] },
})
const ipAddress = (name: string, labels: object) => ({
  metadata: { name, labels },
  spec: { parentRef: { resource: 'services', namespace: 'n', name: 'gone' } },
})
const managed = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' }

test('what Services hold is shown, what they gave back is not', async () => {
  await api.request('POST', addresses, ipAddress('10.43.0.9', managed))
  await api.request('POST', addresses, ipAddress('10.43.0.10', {}))
  await api.request('POST', services, service('early', '10.43.0.11'))
  const { json } = await api.request('GET', addresses)
  const from = `${addresses}?resourceVersion=${json.metadata.resourceVersion}`
  const before = await api.watch(from, 2, follow)
  expect(before.map(({ type, object }) => [type, object.metadata.name])).toEqual([
    ['DELETED', '10.43.0.9'],
    ['ADDED', '10.43.0.11'],
  ])
  expect(before[1]!.object).toMatchObject({
    metadata: { labels: { ...managed, 'ipaddress.kubernetes.io/ip-family': 'IPv4' } },
    spec: { parentRef: { resource: 'services', namespace: 'n', name: 'early' } },
  })
  const later = await api.watch(
    `${addresses}?resourceVersion=${before[1]!.object.metadata.resourceVersion}`,
    2,
    async () => {
      await api.request('POST', services, service('late', '10.43.0.12'))
      await api.request('POST', services, service('headless', 'None'))
      await api.request('DELETE', `${services}/early`)
    },
  )
  expect(later.map(({ type, object }) => `${type} ${object.metadata.name}`).sort()).toEqual([
    'ADDED 10.43.0.12',
    'DELETED 10.43.0.11',
  ])
})

test('the default ServiceCIDR is ready, once', async () => {
  const client = inProcessClient(api.server, admin)
  const url = '/apis/networking.k8s.io/v1/servicecidrs/kubernetes'
  await ensureServiceCidr(client, ['10.43.0.0/16'], 0)
  const { json } = await api.request('GET', url)
  expect(json).toMatchObject({
    spec: { cidrs: ['10.43.0.0/16'] },
    status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '1970-01-01T00:00:00Z' }] },
  })
  await ensureServiceCidr(client, ['10.43.0.0/16'], 1000)
  expect((await api.request('GET', url)).json).toEqual(json)
})
