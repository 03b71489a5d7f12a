import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type EndpointSlice,
  type Endpoints,
  endpointSlices,
  nodes,
  type Pod,
  pods,
  type Service,
  services,
} from '../../../bootstrap/client/resources.ts'
import { node } from '../../runtime/testing/builders.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { endpointSliceController } from './endpoint-slices.ts'
import { endpointsController } from './endpoints.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(endpointsController(), endpointSliceController())
})
afterEach(() => harness.stop())

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', labels: { team: 'a' } },
  spec: {
    selector: { app: 'web' },
    clusterIP: '10.43.0.9',
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    ...spec,
  },
})

const pod = (name: string, ip: string | undefined, ready = true, spec: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default', labels: { app: 'web' } },
  spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8443 }] }], ...spec },
  status: {
    phase: 'Running',
    podIP: ip,
    podIPs: ip === undefined ? [] : [{ ip }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:05Z' }],
  },
})

const slices = () =>
  [...harness.client.store.table('discovery.k8s.io/endpointslices').values()] as unknown as EndpointSlice[]
const object = () => [...harness.client.store.table('/endpoints').values()][0] as unknown as Endpoints | undefined

async function given(...objects: readonly (Service | Pod)[]): Promise<void> {
  for (const item of objects)
    if (item.kind === 'Service') harness.client.seed(services, item as Service)
    else harness.client.seed(pods, item as Pod)
  await harness.idle()
}

describe('a Service with a selector', () => {
  test('gets its ready pods published both ways', async () => {
    await harness.client.create(
      nodes,
      node('n1', { metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z' } } }),
    )
    await given(service(), pod('a', '10.42.0.2'), pod('b', '10.42.0.1', false), pod('c', undefined))
    expect(slices()).toMatchObject([
      {
        metadata: {
          generateName: 'web-',
          labels: {
            team: 'a',
            'kubernetes.io/service-name': 'web',
            'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
          },
          annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': expect.any(String) },
          ownerReferences: [{ kind: 'Service', name: 'web', controller: true }],
        },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        endpoints: [
          {
            addresses: ['10.42.0.2'],
            conditions: { ready: true, serving: true, terminating: false },
            nodeName: 'n1',
            zone: 'z',
            targetRef: { kind: 'Pod', name: 'a', namespace: 'default' },
          },
          { addresses: ['10.42.0.1'], conditions: { ready: false, serving: false, terminating: false } },
        ],
      },
    ])
    expect(object()).toMatchObject({
      metadata: { name: 'web', labels: { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
      subsets: [
        {
          addresses: [{ ip: '10.42.0.2', nodeName: 'n1', targetRef: { name: 'a' } }],
          notReadyAddresses: [{ ip: '10.42.0.1' }],
          ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        },
      ],
    })
  })

  test('without pods has one empty slice', async () => {
    await given(service())
    expect(slices()).toMatchObject([{ endpoints: [], ports: [] }])
    expect(object()?.subsets).toBeUndefined()
    await given(pod('a', '10.42.0.2'))
    expect(slices()).toMatchObject([{ endpoints: [{ addresses: ['10.42.0.2'] }], ports: [{ port: 8080 }] }])
  })

  test('keeps a terminating pod in slices, not ready but serving', async () => {
    await given(service(), pod('a', '10.42.0.2'))
    await harness.client.delete(pods, { name: 'a', namespace: 'default' })
    await harness.idle()
    expect(slices()[0]?.endpoints?.[0]?.conditions).toEqual({ ready: false, serving: true, terminating: true })
    expect(object()?.subsets).toBeUndefined()
    await harness.client.delete(pods, { name: 'a', namespace: 'default' }, { gracePeriodSeconds: 0 })
    await harness.idle()
    expect(slices()).toMatchObject([{ endpoints: [] }])
  })

  test('may publish what is not ready', async () => {
    await given(service({ publishNotReadyAddresses: true }), pod('a', '10.42.0.2', false))
    expect(slices()[0]?.endpoints?.[0]?.conditions).toEqual({ ready: true, serving: false, terminating: false })
    expect(object()?.subsets?.[0]?.addresses).toHaveLength(1)
  })

  test('resolves named ports pod by pod', async () => {
    const other = { containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 9443 }] }] }
    await given(
      service({ ports: [{ port: 443, targetPort: 'web' }] }),
      pod('a', '10.42.0.1'),
      pod('b', '10.42.0.2', true, other),
    )
    expect(slices().map(slice => slice.ports?.[0]?.port)).toEqual([8443, 9443])
    expect(object()?.subsets?.map(subset => subset.ports?.[0]?.port)).toEqual([8443, 9443])
  })

  test('when headless names its pods', async () => {
    const named = { hostname: 'db-0', subdomain: 'web' }
    await given(service({ clusterIP: 'None' }), pod('a', '10.42.0.1', true, named))
    expect(slices()[0]?.metadata.labels).toHaveProperty(['service.kubernetes.io/headless'], '')
    expect(slices()[0]?.endpoints?.[0]?.hostname).toBe('db-0')
    expect(object()?.subsets?.[0]?.addresses?.[0]?.hostname).toBe('db-0')
  })

  test('has a slice for each family', async () => {
    const dual = pod('a', '10.42.0.1')
    const podIPs = [{ ip: '10.42.0.1' }, { ip: 'fd00::1' }]
    await given(service({ ipFamilies: ['IPv4', 'IPv6'] }), { ...dual, status: { ...dual.status, podIPs } })
    expect(slices().map(slice => [slice.addressType, slice.endpoints?.[0]?.addresses])).toEqual([
      ['IPv4', ['10.42.0.1']],
      ['IPv6', ['fd00::1']],
    ])
  })

  test('spreads many pods over slices of a hundred and changes few of them', async () => {
    await given(service(), ...Array.from({ length: 250 }, (_, i) => pod(`p${i}`, `10.42.1.${i}`)))
    expect(
      slices()
        .map(slice => slice.endpoints?.length)
        .sort(),
    ).toEqual([100, 100, 50])
    const before = harness.client.calls.length
    await harness.client.delete(pods, { name: 'p7', namespace: 'default' }, { gracePeriodSeconds: 0 })
    await harness.idle()
    const calls = harness.client.calls.slice(before).filter(call => call.resource === 'endpointslices')
    expect(calls.map(call => call.verb)).toEqual(['update'])
  })

  test('never makes a second slice from a stale cache', async () => {
    harness.client.store.pause()
    await given(service())
    harness.client.store.resume()
    await given(pod('a', '10.42.0.1'), pod('b', '10.42.0.2'))
    expect(slices()).toHaveLength(1)
  })

  test('repairs a slice somebody deleted, and loses its Endpoints with itself', async () => {
    await given(service(), pod('a', '10.42.0.1'))

    await harness.client.delete(endpointSlices, { name: slices()[0]?.metadata.name ?? '', namespace: 'default' })
    await harness.idle()
    expect(slices()).toMatchObject([{ endpoints: [{ addresses: ['10.42.0.1'] }] }])
    await harness.client.delete(services, { name: 'web', namespace: 'default' })
    await harness.idle()
    expect(object()).toBeUndefined()
  })
})

test.each<[string, Partial<Service['spec']>]>([
  ['has no selector', { selector: undefined }],
  ['is an alias', { type: 'ExternalName', externalName: 'example.com' }],
])('a Service that %s is left alone', async (_, spec) => {
  await given(service(spec), pod('a', '10.42.0.1'))
  expect(slices()).toEqual([])
  expect(object()).toBeUndefined()
})
