import { describe, expect, test } from '@jest/globals'
import type { EndpointSlice, Service } from '../../../client/resources.ts'
import { serviceRules } from './rules.ts'
import { nftScript } from './script.ts'
import { serviceTable } from './table.ts'

const service = (spec: object, status: object = {}): Service =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'ns', name: 'web' },
    spec,
    status,
  }) as unknown as Service

const slice = (endpoints: object[], ports: object[] = [{ port: 8080, protocol: 'TCP' }]): EndpointSlice =>
  ({
    metadata: { namespace: 'ns', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports,
  }) as unknown as EndpointSlice

const ports = [{ port: 80, protocol: 'TCP' }]
const clusterIp = { clusterIPs: ['10.43.0.5'], ports }

describe('which endpoints count', () => {
  test.each([
    [
      'ready ones',
      [
        { addresses: ['10.42.0.2'], conditions: { ready: true } },
        { addresses: ['10.42.0.3'], conditions: { ready: false } },
      ],
      ['10.42.0.2'],
    ],
    ['an unknown readiness is ready', [{ addresses: ['10.42.0.2'] }], ['10.42.0.2']],
    [
      'terminating ones that still serve, when none is ready',
      [
        { addresses: ['10.42.0.2'], conditions: { ready: false, serving: true, terminating: true } },
        { addresses: ['10.42.0.3'], conditions: { ready: false } },
      ],
      ['10.42.0.2'],
    ],
  ])('%s', (_, endpoints, expected) => {
    const [rule] = serviceRules([service(clusterIp)], [slice(endpoints)], 'n1')
    expect(rule?.endpoints.map(endpoint => endpoint.ip)).toEqual(expected)
  })

  test('ports are matched by name and protocol, and endpoints of this node are known', () => {
    const named = service({
      clusterIPs: ['10.43.0.5'],
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    })
    const slices = [
      slice([{ addresses: ['10.42.0.2'], nodeName: 'n1' }], [{ name: 'dns', port: 1053, protocol: 'UDP' }]),
    ]
    expect(
      serviceRules([named], slices, 'n1').map(({ id, protocol, endpoints }) => ({ id, protocol, endpoints })),
    ).toEqual([
      { id: 'ns/web:dns', protocol: 'udp', endpoints: [{ ip: '10.42.0.2', port: 1053, local: true }] },
      { id: 'ns/web:dns-tcp', protocol: 'tcp', endpoints: [] },
    ])
  })
})

test.each([
  ['headless', { clusterIPs: ['None'], ports }],
  ['ExternalName', { type: 'ExternalName', externalName: 'x', ports }],
])('%s services have no rules', (_, spec) => {
  expect(serviceRules([service(spec)], [], 'n1')).toEqual([])
})

describe('scripts', () => {
  const options = { family: 'IPv4' as const, clusterCidr: '10.42.0.0/16' }
  const table = (...endpoints: object[]) =>
    serviceTable(serviceRules([service(clusterIp)], [slice(endpoints)], 'n1'), options)
  const a = { addresses: ['10.42.0.2'] }
  const b = { addresses: ['10.42.0.3'] }

  test('nothing changed, nothing to do', () => {
    expect(nftScript(table(a), table(a))).toBe('')
  })

  test('a further endpoint changes one chain and one set', () => {
    const lines = nftScript(table(a), table(a, b)).trimEnd().split('\n')
    expect(lines).toEqual([
      expect.stringMatching(/^flush chain ip skiff-services svc-\w{12}$/),
      expect.stringMatching(/svc-\w{12} ip saddr != 10.42.0.0\/16 meta mark set/),
      expect.stringMatching(/dnat ip to numgen random mod 2 map \{ 0 : 10.42.0.2 . 8080, 1 : 10.42.0.3 . 8080 \}$/),
      'add element ip skiff-services hairpin { 10.42.0.3 . 10.42.0.3 }',
    ])
  })

  test('the last endpoint gone: the address is refused and the chain removed', () => {
    const script = nftScript(table(a), table())
    expect(script).toContain('delete element ip skiff-services service-ips { 10.43.0.5 . tcp . 80 }')
    expect(script).toContain('add element ip skiff-services refused-ips { 10.43.0.5 . tcp . 80 : goto refuse }')
    expect(script).toMatch(/delete chain ip skiff-services svc-/)
  })
})
