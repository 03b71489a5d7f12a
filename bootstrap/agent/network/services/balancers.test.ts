import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, expect, test } from '@jest/globals'
import { createInformers } from '../../../client/informers.ts'
import { type EndpointSlice, type Pod, pods, type Service } from '../../../client/resources.ts'
import { FakeClock, turns } from '../../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../../client/testing/memory-client.ts'
import { balancersAmong } from './balancers.ts'
import { ServiceHealth } from './health.ts'
import { listenerOn } from './listeners.ts'
import { heldPort, type ServiceRule, serviceRules } from './rules.ts'
import { staleFlows } from './stale-flows.ts'
import { serviceTable } from './table.ts'

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const balancer = (name: string, change: { metadata?: object; spec?: object; status?: object } = {}): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'kube-system',
      labels: { 'svccontroller.k3s.cattle.io/svcname': 'web', 'svccontroller.k3s.cattle.io/svcnamespace': 'ns' },
      ...change.metadata,
    },
    spec: {
      hostNetwork: true,
      containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }],
      ...change.spec,
    },
    status: { phase: 'Running', ...change.status },
  }) as Pod

const stop = new AbortController()
afterAll(() => stop.abort())

/** Follows the balancers among the pods of a memory client. */
async function following() {
  const client = new MemoryClient()
  const clock = new FakeClock()
  const informer = createInformers(client, { clock, log, signal: stop.signal, random: () => 0 }).get(pods)
  const among = balancersAmong(informer, 'kube-system', clock)
  await among.whenSynced()
  let changes = 0
  among.follow(() => changes++, stop.signal)
  return { client, clock, among, changes: () => changes }
}

describe('ports held on this node', () => {
  test.each([
    ['a running balancer', {}, ['ns/web 80/TCP']],
    ['one that only waits', { status: { phase: 'Pending' } }, []],
    ['one that is ending', { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x/y'] } }, []],
    ['one outside the namespace', { metadata: { namespace: 'mine' } }, []],
    ['one of nobody', { metadata: { labels: {} } }, []],
    ['one with a network of its own, whose ports CNI maps', { spec: { hostNetwork: false } }, []],
  ])('%s', async (_, change, expected) => {
    const { client, among, changes } = await following()
    client.seed(pods, balancer('x', change))
    await turns(20)
    expect([...among.held()]).toEqual(expected)
    expect(changes()).toBe(expected.length)
  })

  test('those of a balancer that goes stay open for the one that follows, for a while, unless another service takes them', async () => {
    const { client, among, changes, clock } = await following()
    client.seed(pods, balancer('x'))
    await turns(20)
    await client.delete(pods, { name: 'x', namespace: 'kube-system' }, { gracePeriodSeconds: 0 })
    await turns(20)
    expect([...among.held()]).toEqual(['ns/web 80/TCP'])
    const labels = { ...balancer('y').metadata.labels, 'svccontroller.k3s.cattle.io/svcname': 'other' }
    client.seed(pods, balancer('y', { metadata: { labels } }))
    await turns(20)
    expect([...among.held()]).toEqual(['ns/other 80/TCP'])
    await client.delete(pods, { name: 'y', namespace: 'kube-system' }, { gracePeriodSeconds: 0 })
    await turns(20)
    const before = changes()
    await clock.advance(5000)
    expect([...among.held()]).toEqual([])
    expect(changes()).toBeGreaterThan(before)
  })
})

const service = (spec: object, metadata: object = {}, status: object = {}): Service =>
  ({
    metadata: { namespace: 'ns', name: 'web', ...metadata },
    spec: { type: 'LoadBalancer', clusterIPs: ['10.43.0.5'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
    status,
  }) as unknown as Service
const slices = [
  {
    metadata: { namespace: 'ns', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.42.0.2'], nodeName: 'n1' },
      { addresses: ['10.42.1.2'], nodeName: 'n2' },
    ],
    ports: [{ port: 8080, protocol: 'TCP' }],
  },
] as unknown as EndpointSlice[]
const here = new Set([heldPort('ns/web', 80, 'TCP')])

const annotated = (ranges: string) => ({
  annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': ranges },
})

test('what is no address never reaches the script', () => {
  const evil = '10.42.0.9 } accept\nflush ruleset'
  const spec = { externalIPs: [evil, '192.0.2.1'] }
  const status = { loadBalancer: { ingress: [{ ip: evil }, { ip: '192.0.2.2' }] } }
  const [rule] = serviceRules(
    [service(spec, {}, status)],
    [{ ...slices[0]!, endpoints: [{ addresses: [evil] }] }],
    'n1',
  )
  expect(rule).toMatchObject({ externalIps: ['192.0.2.1'], loadBalancerIps: ['192.0.2.2'], endpoints: [] })
})

describe('rules of load balancers', () => {
  const elements = (spec: object, held = here, of = slices) => {
    const table = serviceTable(serviceRules([service(spec)], of, 'n1', held), {
      family: 'IPv4',
      clusterCidr: '10.42.0.0/16',
    })
    const verdicts = (name: string) => Object.fromEntries(table.elements.get(name)!)
    return { table, open: verdicts('service-hostports'), closed: verdicts('refused-hostports') }
  }

  test('a held port answers at every address of the node, and is refused without endpoints', () => {
    expect(elements({}).open).toEqual({ 'tcp . 80': expect.stringMatching(/^goto ext-/) })
    expect(elements({}, here, [] as never).closed).toEqual({ 'tcp . 80': 'goto refuse' })
    expect(elements({}, new Set()).open).toEqual({})
    expect(elements({ type: 'NodePort' }).open).toEqual({})
  })

  test.each([
    [{ loadBalancerSourceRanges: ['10.0.0.0/8 ', '192.0.2.1/32'] }, {}, ['10.0.0.0/8', '192.0.2.1/32']],
    [{ loadBalancerSourceRanges: ['0.0.0.0/0', '10.0.0.0/8'] }, {}, []],
    [{ loadBalancerSourceRanges: ['2001:db8::/32'] }, {}, ['255.255.255.255/32']],
    [
      {},
      { annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': '10.0.0.0/8, 192.0.2.0/24' } },
      ['10.0.0.0/8', '192.0.2.0/24'],
    ],
    [{}, annotated('10.0.0.0/8 } accept\nflush ruleset, 10.0.0.0/33, 1.2.3.4, 192.0.2.0/24'), ['192.0.2.0/24']],
    [{}, annotated('everybody'), ['255.255.255.255/32']],
    [{}, {}, []],
  ])('source ranges %j with %j are %j', (spec, metadata, expected) => {
    expect(serviceRules([service(spec, metadata)], slices, 'n1', here)[0]!.sourceRanges).toEqual(expected)
  })

  test('source ranges guard held ports', () => {
    const { table, open } = elements({ loadBalancerSourceRanges: ['192.0.2.0/24'] })
    const chain = open['tcp . 80']!.replace('goto ', '')
    expect(chain).toMatch(/^fw-/)
    expect(table.chains.get(chain)!.rules[0]).toBe('ip saddr != { 192.0.2.0/24 } drop')
  })

  test('the node’s own embedded pods keep their ports', () => {
    const rules = elements({}).table.chains.get('services')!.rules
    expect(rules.find(rule => rule.includes('@service-hostports'))).toMatch(
      /^ip daddr != 10\.42\.0\.0\/16 fib daddr type local /,
    )
  })
})

describe('UDP flows to forget', () => {
  const rule = (change: Partial<ServiceRule>): ServiceRule => ({
    id: 'ns/dns:udp',
    family: 'IPv4',
    protocol: 'udp',
    port: 53,
    clusterIps: ['10.43.0.9'],
    nodePort: undefined,
    externalIps: [],
    loadBalancerIps: [],
    heldHere: false,
    sourceRanges: [],
    affinitySeconds: undefined,
    internalLocal: false,
    externalLocal: false,
    endpoints: [{ ip: '10.42.0.2', port: 53, local: true }],
    ...change,
  })
  const flows = (before: ServiceRule[], after: ServiceRule[]) =>
    staleFlows(before, after, ['192.0.2.10']).map(options => options.join(' '))

  test.each([
    ['nothing changed', rule({}), rule({}), []],
    ['TCP', rule({ protocol: 'tcp' }), rule({ protocol: 'tcp', endpoints: [] }), []],
    [
      'an endpoint gone: by every way there was',
      rule({ loadBalancerIps: ['192.0.2.10'], nodePort: 30053, heldHere: true }),
      rule({ endpoints: [] }),
      [
        '--orig-dst 10.43.0.9 --dst-nat 10.42.0.2',
        '--orig-dst 192.0.2.10 --dst-nat 10.42.0.2',
        '--orig-port-dst 30053 --dst-nat 10.42.0.2',
        '--orig-port-dst 53 --dst-nat 10.42.0.2',
      ],
    ],
    ['the first endpoint', rule({ endpoints: [] }), rule({}), ['--orig-dst 10.43.0.9 --orig-port-dst 53']],
    ['a port newly held', rule({}), rule({ heldHere: true }), ['--orig-dst 192.0.2.10 --orig-port-dst 53']],
    [
      'a port newly held, still without endpoints',
      rule({ endpoints: [] }),
      rule({ heldHere: true, endpoints: [] }),
      [],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(flows([before], [after])).toEqual(expected)
  })

  test('a rule that is new', () => {
    expect(flows([], [rule({})])).toEqual(['--orig-dst 10.43.0.9 --orig-port-dst 53'])
  })
})

test('who listens on a port: a server at every address is found and named, one on loopback is not', async () => {
  const listen = async (host?: string) => {
    const server = createServer().listen(0, host)
    await new Promise(resolve => server.once('listening', resolve))
    return { server, port: (server.address() as AddressInfo).port }
  }
  const [open, loopback] = [await listen(), await listen('127.0.0.1')]
  try {
    expect((await listenerOn('tcp', open.port, () => false))?.process).toMatch(
      new RegExp(`^\\S+ \\(pid ${process.pid}\\)$`),
    )
    expect(await listenerOn('tcp', loopback.port, () => false)).toBeUndefined()
    expect(await listenerOn('udp', open.port, () => false)).toBeUndefined()
  } finally {
    open.server.close()
    loopback.server.close()
  }
})

test('health check ports follow the services; one that is taken is reported', async () => {
  const taken = createServer().listen(0)
  await new Promise(resolve => taken.once('listening', resolve))
  const { port } = taken.address() as AddressInfo
  const failures: string[] = []
  const health = new ServiceHealth({ log, node: 'n1', failed: (_, message) => failures.push(message) })
  const local = (healthCheckNodePort: number) => service({ externalTrafficPolicy: 'Local', healthCheckNodePort })
  const rules = serviceRules([local(0)], slices, 'n1', here)
  health.update([local(port)], rules)
  while (failures.length === 0) await new Promise(resolve => setImmediate(resolve))
  expect(failures[0]).toMatch(`node n1 failed to start healthcheck "ns/web" on port ${port}: listen EADDRINUSE`)
  await new Promise(resolve => taken.close(resolve))
  health.update([local(port)], rules)
  const answer = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`)
    return [response.status, response.headers.get('x-load-balancing-endpoint-weight'), await response.json()]
  }
  const of = (localEndpoints: number) => ({
    service: { namespace: 'ns', name: 'web' },
    localEndpoints,
    serviceProxyHealthy: true,
  })
  expect(await answer()).toEqual([200, '1', of(1)])
  health.update([local(port)], [])
  expect(await answer()).toEqual([503, '0', of(0)])
  health.close()
  await expect(answer()).rejects.toThrow()
})
