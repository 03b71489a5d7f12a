import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  type EndpointSlice,
  type Endpoints,
  endpointSlices,
  endpoints,
  type Service,
  services,
} from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { endpointSliceController } from './endpoint-slices.ts'
import { endpointsController } from './endpoints.ts'
import { endpointSliceMirroringController } from './mirror.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(endpointSliceMirroringController(), endpointSliceController(), endpointsController())
})
afterEach(() => harness.stop())

const at = { name: 'db', namespace: 'default' }
const slices = () =>
  [...harness.client.store.table('discovery.k8s.io/endpointslices').values()] as unknown as EndpointSlice[]
const addresses = () => slices().map(slice => (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses))

async function service(spec: Partial<Service['spec']> = {}): Promise<void> {
  harness.client.seed(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: at,
    spec: { clusterIP: '10.43.0.9', ports: [{ port: 5432 }], ...spec },
  })
  await harness.idle()
}

async function handMade(subsets: Endpoints['subsets'], metadata: Endpoints['metadata'] = {}): Promise<void> {
  harness.client.seed(endpoints, {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { ...at, ...metadata },
    ...(subsets ? { subsets } : {}),
  })
  await harness.idle()
}

const change = async (patch: object) => {
  await harness.client.patch(endpoints, at, patch, { type: 'merge' })
  await harness.idle()
}

const ports = [{ port: 5432 }]
const one = [{ addresses: [{ ip: '192.0.2.1' }], ports }]

describe('hand-made Endpoints of a Service without selector', () => {
  test('are mirrored', async () => {
    await service()
    const targetRef = { kind: 'Pod', name: 'p', namespace: 'default' }
    await handMade(
      [
        {
          addresses: [{ ip: '192.0.2.1', hostname: 'h', nodeName: 'n', targetRef }],
          notReadyAddresses: [{ ip: '192.0.2.2' }],
          ports: [{ name: 'sql', port: 5432, protocol: 'TCP', appProtocol: 'postgres' }],
        },
      ],
      {
        labels: { team: 'a' },
        annotations: { note: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
      },
    )
    expect(slices()).toEqual([
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: expect.objectContaining({
          generateName: 'db-',
          labels: {
            team: 'a',
            'kubernetes.io/service-name': 'db',
            'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
          },
          annotations: { note: 'x' },
          ownerReferences: [expect.objectContaining({ kind: 'Endpoints', name: 'db', controller: true })],
        }),
        addressType: 'IPv4',
        endpoints: [
          { addresses: ['192.0.2.1'], conditions: { ready: true }, hostname: 'h', nodeName: 'n', targetRef },
          { addresses: ['192.0.2.2'], conditions: { ready: false } },
        ],
        ports: [{ name: 'sql', port: 5432, protocol: 'TCP', appProtocol: 'postgres' }],
      },
    ])
    expect(harness.failures).toEqual([])
  })

  test('have a slice for each family and each set of ports', async () => {
    await service()
    await handMade([
      { addresses: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }], ports },
      { addresses: [{ ip: '192.0.2.3' }], ports: [{ port: 1 }] },
      { addresses: [{ ip: '192.0.2.2' }], ports },
    ])
    expect(slices().map(slice => [slice.addressType, slice.ports?.[0]?.port])).toEqual([
      ['IPv4', 5432],
      ['IPv6', 5432],
      ['IPv4', 1],
    ])
    expect(addresses()).toEqual([['192.0.2.1', '192.0.2.2'], ['2001:db8::1'], ['192.0.2.3']])
  })

  test('are followed with few writes', async () => {
    await service()
    await handMade(one)
    const name = slices()[0]?.metadata.name
    const writes = harness.client.calls.length
    await change({ metadata: { annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': 'now' } } })
    expect(harness.client.calls.slice(writes)).toHaveLength(1)
    await change({ subsets: [{ addresses: [{ ip: '192.0.2.9' }], ports: [{ port: 6432 }] }] })
    expect(slices()).toMatchObject([{ metadata: { name }, ports: [{ port: 6432 }] }])
    expect(addresses()).toEqual([['192.0.2.9']])
    await change({ subsets: null })
    expect(slices()).toEqual([])
  })

  test('get back a slice that somebody deletes', async () => {
    await service()
    await handMade(one)
    await harness.client.delete(endpointSlices, { ...at, name: slices()[0]?.metadata.name ?? '' })
    await harness.idle()
    expect(addresses()).toEqual([['192.0.2.1']])
  })

  test('are mirrored up to a thousand addresses that are some', async () => {
    await service()
    const many = Array.from({ length: 1002 }, (_, index) => ({ ip: `10.0.${index >> 8}.${index & 255}` }))
    await handMade([{ addresses: [{ ip: 'nowhere' }, ...many], ports }])
    expect(addresses()[0]).toHaveLength(1000)
    expect(harness.events()).toEqual([
      'InvalidIPAddress: Skipped 1 invalid IP addresses when mirroring to EndpointSlices',
      'TooManyAddressesToMirror: A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped',
    ])
  })
})

describe('nothing is mirrored', () => {
  test.each<[string, Partial<Service['spec']> | undefined, Endpoints['metadata']]>([
    ['without a Service', undefined, {}],
    ['when the label says so', {}, { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }],
    ['of a lock', {}, { annotations: { 'control-plane.alpha.kubernetes.io/leader': '{}' } }],
  ])('%s', async (_case, spec, metadata) => {
    if (spec) await service(spec)
    await handMade(one, metadata)
    expect(slices()).toEqual([])
  })

  test.each<[string, () => Promise<unknown>]>([
    ['once the Service is gone', () => harness.client.delete(services, at)],
    ['once the Endpoints are gone', () => harness.client.delete(endpoints, at)],
    [
      'once the label says so',
      () => change({ metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } }),
    ],
  ])('%s', async (_case, act) => {
    await service()
    await handMade(one)
    expect(slices()).toHaveLength(1)
    await act()
    await harness.idle()
    expect(slices()).toEqual([])
  })

  test('once the Service has a selector: its own slices take over', async () => {
    await service()
    await handMade(one)
    await harness.client.patch(services, at, { spec: { selector: { app: 'db' } } }, { type: 'merge' })
    await harness.idle()
    expect(slices().map(({ metadata }) => metadata.labels?.['endpointslice.kubernetes.io/managed-by'])).toEqual([
      'endpointslice-controller.k8s.io',
    ])
  })
})
