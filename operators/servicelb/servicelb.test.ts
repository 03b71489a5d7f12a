import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { NodeAddress, Taint } from '../../bootstrap/api/types.gen.ts'
import {
  type DaemonSet,
  daemonSets,
  endpointSlices,
  type Node,
  nodes,
  type Pod,
  pods,
  type Service,
  services,
} from '../../bootstrap/client/resources.ts'
import { daemonSetController } from '../core/workloads/daemonset/daemon-set.ts'
import { nodeOf } from '../core/workloads/daemonset/placement.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { serviceLb } from './operator.ts'
import { serviceLbCleanup } from './release.ts'

const svccontroller = (name: string) => `svccontroller.k3s.cattle.io/${name}`
const options = {
  namespace: 'kube-system',
  image: 'pause:1',
  reserved: [
    { port: '6443/TCP', owner: 'the API server', serversOnly: true },
    { port: '10250/TCP', owner: 'the node agent', serversOnly: false },
  ],
}

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(serviceLb(options))
})
afterEach(() => harness.stop())

interface NodeOptions {
  readonly labels?: { [label: string]: string }
  readonly taints?: Taint[]
  readonly external?: string
}

async function addNode(name: string, ip: string, { labels = {}, taints = [], external }: NodeOptions = {}) {
  const addresses: NodeAddress[] = [{ type: 'InternalIP', address: ip }]
  if (external) addresses.push({ type: 'ExternalIP', address: external })
  const metadata = { name, labels }
  harness.client.seed(nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata,
    spec: { taints },
    status: { addresses },
  } as Node)
  await harness.idle()
}

async function addService(name: string, spec: object = {}, metadata: object = {}): Promise<Service> {
  const made = harness.client.seed(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', uid: `${name}-uid-1234567`, ...metadata },
    spec: {
      type: 'LoadBalancer',
      clusterIPs: ['10.43.0.9'],
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, protocol: 'TCP', nodePort: 30080 }],
      ...spec,
    },
  } as Service)
  await harness.idle()
  return made
}

const sets = () => [...harness.client.store.table('apps/daemonsets').values()] as unknown as DaemonSet[]
const setOf = (service: string) => sets().find(set => set.metadata.labels?.[svccontroller('svcname')] === service)
const current = (name: string) => harness.client.get(services, { name, namespace: 'default' })
const addresses = async (name: string) => (await current(name)).status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? []
const condition = async (name: string) =>
  (await current(name)).status?.conditions?.find(({ type }) => type === 'LoadBalancerPortsError')
const template = (service: string) => setOf(service)!.spec.template.spec!
const excluded = (service: string) =>
  template(
    service,
  ).affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms[0]?.matchFields?.map(
    ({ values }) => values![0],
  ) ?? []

/** What scheduler and node do for a balancer; unready ones have an address as well. */
async function balancerPod(service: string, node: string, ready = true): Promise<Pod> {
  const set = setOf(service)!
  const pod = harness.client.seed(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${set.metadata.name}-${node}`,
      namespace: 'kube-system',
      labels: set.spec.template.metadata!.labels!,
    },
    spec: { ...template(service), nodeName: node },
    status: { phase: 'Running', podIP: '192.0.2.1', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  } as Pod)
  await harness.idle()
  return pod
}

describe('the DaemonSet', () => {
  test('has K3s’ name, labels and pods', async () => {
    await addNode('a', '192.0.2.10')
    const ports = [
      { name: 'web', port: 80, protocol: 'TCP', nodePort: 30080 },
      { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 },
    ]
    await addService('web', { ports })
    expect(sets()).toHaveLength(1)
    const { metadata, spec } = sets()[0]!
    const ours = { [svccontroller('svcname')]: 'web', [svccontroller('svcnamespace')]: 'default' }
    expect(metadata).toMatchObject({
      name: 'svclb-web-web-uid-',
      namespace: 'kube-system',
      labels: { [svccontroller('nodeselector')]: 'false', ...ours },
    })
    expect(spec).toMatchObject({
      selector: { matchLabels: { app: 'svclb-web-web-uid-' } },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: { metadata: { labels: { app: 'svclb-web-web-uid-', ...ours } } },
    })
    expect(template('web')).toMatchObject({
      hostNetwork: true,
      serviceAccountName: 'svclb',
      automountServiceAccountToken: false,
      priorityClassName: 'system-node-critical',
      tolerations: [
        { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
        { key: 'CriticalAddonsOnly', operator: 'Exists' },
      ],
      containers: [
        { name: 'lb-tcp-80', image: 'pause:1', ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }] },
        { name: 'lb-udp-53', ports: [{ containerPort: 53, hostPort: 53, protocol: 'UDP' }] },
      ],
    })
    expect(harness.client.store.table('/serviceaccounts').has('kube-system/svclb')).toBe(true)
    expect(harness.events()).toContain(
      'AppliedDaemonSet: Applied LoadBalancer DaemonSet kube-system/svclb-web-web-uid-',
    )
  })

  test.each([
    [`${'x'.repeat(47)}-and-more`, `svclb-${'x'.repeat(47)}-12345678`],
    [`${'x'.repeat(60)}`, `svclb-${'x'.repeat(48)}-12345678`],
    ['short', 'svclb-short-12345678'],
  ])('of service %s is %s', async (name, expected) => {
    await addService(name, {}, { uid: '12345678-rest' })
    expect(sets()[0]!.metadata.name).toBe(expected)
  })

  test('is not changed by what only concerns the service table', async () => {
    await addService('web')
    const before = setOf('web')
    const spec = {
      externalTrafficPolicy: 'Local',
      loadBalancerSourceRanges: ['10.0.0.0/8'],
      sessionAffinity: 'ClientIP',
    }
    await harness.client.patch(services, { name: 'web', namespace: 'default' }, { spec }, { type: 'merge' })
    await harness.idle()
    expect(setOf('web')).toEqual(before)
  })

  test.each([
    [undefined, 'system-node-critical'],
    ['high', 'high'],
    ['', undefined],
  ])('priority class annotation %j gives %j', async (annotation, expected) => {
    const annotations = annotation === undefined ? {} : { [svccontroller('priorityclassname')]: annotation }
    await addService('web', {}, { annotations })
    expect(template('web').priorityClassName).toBe(expected)
  })

  test.each([
    [
      'JSON',
      '[{"key":"gpu","operator":"Exists","effect":"NoSchedule"}]',
      { key: 'gpu', operator: 'Exists', effect: 'NoSchedule' },
    ],
    ['YAML', '- key: dc\n  value: one', { key: 'dc', operator: 'Equal', value: 'one' }],
  ])('takes tolerations as %s', async (_, text, expected) => {
    await addService('web', {}, { annotations: { [svccontroller('tolerations')]: text } })
    expect(template('web').tolerations![2]).toEqual(expected)
  })

  test.each([
    [
      'nonsense',
      /SyncLoadBalancerFailed: .*failed to parse tolerations from annotation svccontroller\.k3s\.cattle\.io\/tolerations: want a list/,
    ],
    [
      '[{"operator":"Exists","value":"x"}]',
      /validation failed for toleration 0: toleration with operator 'Exists' must have an empty value/,
    ],
    ['[{"value":"x"}]', /validation failed for toleration 0: toleration with empty key must have operator 'Exists'/],
  ])('tolerations %j are refused with an event, and what runs stays', async (text, message) => {
    await addService('web')
    const before = setOf('web')
    const metadata = { annotations: { [svccontroller('tolerations')]: text } }
    await harness.client.patch(services, { name: 'web', namespace: 'default' }, { metadata }, { type: 'merge' })
    await harness.idle()
    expect(setOf('web')).toEqual(before)
    expect(harness.events().join('\n')).toMatch(message)
    expect(harness.failures).toEqual([])
  })

  test.each([
    ['everybody', true],
    ['10.0.0.0/33', true],
    ['10.0.0.0/8 , 2001:db8::/32', false],
    ['', false],
  ])('source ranges %j in the annotation, is that a mistake: %s', async (text, mistake) => {
    const annotations = { 'service.beta.kubernetes.io/load-balancer-source-ranges': text }
    await addService('web', {}, { annotations })
    expect(sets()).toHaveLength(mistake ? 0 : 1)
    const message = `${Object.keys(annotations)[0]}: ${text} is not valid. Expecting a comma-separated list of source IP ranges`
    expect(harness.events().some(event => event.includes(message))).toBe(mistake)
  })

  test('comes back when somebody deletes or changes it, and is not written again otherwise', async () => {
    await addService('web')
    const { metadata } = setOf('web')!
    await harness.client.delete(daemonSets, { name: metadata.name!, namespace: 'kube-system' })
    await harness.idle()
    expect(setOf('web')!.metadata.uid).not.toBe(metadata.uid)
    const changed = { ...setOf('web')!, spec: { ...setOf('web')!.spec, minReadySeconds: 5 } }
    await harness.client.update(daemonSets, changed)
    await harness.idle()
    expect(setOf('web')!.spec.minReadySeconds).toBeUndefined()
    const writes = harness.client.calls.length
    await addNode('a', '192.0.2.10')
    await balancerPod('web', 'a')
    expect(harness.client.calls.slice(writes).filter(call => call.resource === 'daemonsets')).toEqual([])
  })
})

describe('whose service', () => {
  test('only the default class; K3s’ old finalizer goes from others, too', async () => {
    const cleanup = 'service.kubernetes.io/load-balancer-cleanup'
    const finalizers = [cleanup, svccontroller('daemonset')]
    await addService('other', { loadBalancerClass: 'example.com/lb' }, { finalizers })
    await addService('inner', { type: 'ClusterIP' }, { finalizers })
    expect(sets()).toEqual([])
    expect((await current('other')).metadata.finalizers).toEqual([cleanup])
    expect((await current('inner')).metadata.finalizers ?? []).toEqual([])
  })

  test('K3s’ old finalizer goes, upstream’s comes', async () => {
    await addService('web', {}, { finalizers: ['example.com/mine', svccontroller('daemonset')] })
    expect((await current('web')).metadata.finalizers).toEqual([
      'example.com/mine',
      'service.kubernetes.io/load-balancer-cleanup',
    ])
  })

  test('a deleted service goes after its DaemonSet', async () => {
    await addService('web')
    await harness.client.delete(services, { name: 'web', namespace: 'default' })
    await harness.idle()
    expect(sets()).toEqual([])
    await expect(current('web')).rejects.toThrow('not found')
    expect(harness.events().map(event => event.split(':')[0])).toEqual(
      expect.arrayContaining([
        'EnsuringLoadBalancer',
        'AppliedDaemonSet',
        'DeletingLoadBalancer',
        'DeletedDaemonSet',
        'DeletedLoadBalancer',
      ]),
    )
  })

  test('another type gives up addresses, DaemonSet and finalizer', async () => {
    await addNode('a', '192.0.2.10')
    await addService('web')
    await balancerPod('web', 'a')
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    await harness.client.patch(
      services,
      { name: 'web', namespace: 'default' },
      { spec: { type: 'ClusterIP' } },
      { type: 'merge' },
    )
    await harness.idle()
    expect(sets()).toEqual([])
    expect(await addresses('web')).toEqual([])
    expect((await current('web')).metadata.finalizers ?? []).toEqual([])
  })

  test('a service made anew has a DaemonSet of its own, and the old one goes', async () => {
    await addService('web')
    const old = await current('web')
    await harness.client.update(services, { ...old, metadata: { ...old.metadata, finalizers: [] } })
    await harness.client.delete(services, { name: 'web', namespace: 'default' })
    await addService('web', {}, { uid: 'another-uid' })
    expect(sets().map(({ metadata }) => metadata.name)).toEqual(['svclb-web-another-'])
  })
})

describe('status', () => {
  test('names nodes with a ready balancer, sorted, and follows them', async () => {
    await addNode('a', '192.0.2.20')
    await addNode('b', '192.0.2.10')
    await addNode('c', '192.0.2.30')
    await addService('web')
    await balancerPod('web', 'a')
    const b = await balancerPod('web', 'b')
    await balancerPod('web', 'c', false)
    expect((await current('web')).status?.loadBalancer?.ingress).toEqual([
      { ip: '192.0.2.10', ipMode: 'VIP' },
      { ip: '192.0.2.20', ipMode: 'VIP' },
    ])
    expect(harness.events()).toContain(
      'UpdatedLoadBalancer: Updated LoadBalancer with new IPs: [192.0.2.20] -> [192.0.2.10 192.0.2.20]',
    )
    await harness.client.delete(nodes, { name: 'a' })
    await harness.idle()
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    await harness.client.delete(pods, { name: b.metadata.name!, namespace: 'kube-system' }, { gracePeriodSeconds: 0 })
    await harness.idle()
    expect(await addresses('web')).toEqual([])
    expect(harness.events()).toContain('UnAvailableLoadBalancer: There are no available nodes for LoadBalancer')
  })

  test('keeps addresses while a change of the DaemonSet replaces balancers, but not for ever', async () => {
    await addNode('a', '192.0.2.10')
    await addService('web')
    const pod = await balancerPod('web', 'a')
    const ports = [{ name: 'b', port: 81, protocol: 'TCP' }]
    await harness.client.patch(services, { name: 'web', namespace: 'default' }, { spec: { ports } }, { type: 'merge' })
    await harness.idle()
    const status = { observedGeneration: 1, desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1 }
    const set = { name: setOf('web')!.metadata.name!, namespace: 'kube-system' }
    await harness.client.patch(daemonSets, set, { status }, { type: 'merge', subresource: 'status' })
    await harness.client.delete(pods, { name: pod.metadata.name!, namespace: 'kube-system' }, { gracePeriodSeconds: 0 })
    await harness.idle()
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    await harness.advance(4000)
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    await harness.advance(1000)
    expect(await addresses('web')).toEqual([])
    await balancerPod('web', 'a')
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    expect(harness.events().filter(event => event.startsWith('UnAvailable'))).toHaveLength(1)
  })

  test('external addresses alone, once a node has one', async () => {
    await addNode('a', '192.0.2.10')
    await addNode('b', '192.0.2.11', { external: '203.0.113.5' })
    await addService('web')
    await balancerPod('web', 'a')
    expect(await addresses('web')).toEqual(['192.0.2.10'])
    await balancerPod('web', 'b')
    expect(await addresses('web')).toEqual(['203.0.113.5'])
  })

  test('an address that changes is followed', async () => {
    await addNode('a', '192.0.2.10')
    await addService('web')
    await balancerPod('web', 'a')
    const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.99' }] }
    await harness.client.patch(nodes, { name: 'a' }, { status }, { type: 'merge', subresource: 'status' })
    await harness.idle()
    expect(await addresses('web')).toEqual(['192.0.2.99'])
  })

  test.each([
    [['IPv4'], ['192.0.2.10']],
    [['IPv6'], ['2001:db8::1']],
    [
      ['IPv6', 'IPv4'],
      ['2001:db8::1', '192.0.2.10'],
    ],
    [[], []],
  ])('of families %j names %j', async (ipFamilies, expected) => {
    const both = [
      { type: 'InternalIP', address: '192.0.2.10' },
      { type: 'InternalIP', address: '2001:db8::1' },
    ]
    harness.client.seed(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'a' },
      spec: {},
      status: { addresses: both },
    })
    await addService('web', { ipFamilies })
    await balancerPod('web', 'a')
    expect(await addresses('web')).toEqual(expected)
  })

  test('with policy Local only nodes with a ready endpoint count', async () => {
    await addNode('a', '192.0.2.10')
    await addNode('b', '192.0.2.11')
    await addService('web', { externalTrafficPolicy: 'Local' })
    await balancerPod('web', 'a')
    await balancerPod('web', 'b')
    expect(await addresses('web')).toEqual([])
    const endpoint = (nodeName: string, ready: boolean) => ({
      addresses: ['10.42.0.5'],
      nodeName,
      conditions: { ready },
      targetRef: { kind: 'Pod', name: 'x' },
    })
    const slice = (...endpoints: object[]) =>
      ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints,
      }) as never
    await harness.client.create(endpointSlices, slice(endpoint('a', false), endpoint('b', true)))
    await harness.idle()
    expect(await addresses('web')).toEqual(['192.0.2.11'])
  })
})

describe('pools', () => {
  const enabled = { [svccontroller('enablelb')]: 'true' }
  const pool = (name: string) => ({ [svccontroller('lbpool')]: name })

  test('a label on any node selects nodes; without one none is selected, and pools say nothing', async () => {
    await addNode('a', '192.0.2.10')
    await addService('web', {}, { labels: pool('p') })
    expect(template('web').nodeSelector).toBeUndefined()
    await addNode('b', '192.0.2.11', { labels: { [svccontroller('enablelb')]: 'false' } })
    expect(setOf('web')!.metadata.labels![svccontroller('nodeselector')]).toBe('true')
    expect(template('web').nodeSelector).toEqual({ ...enabled, ...pool('p') })
    await harness.client.delete(nodes, { name: 'b' })
    await harness.idle()
    expect(template('web').nodeSelector).toBeUndefined()
    expect(setOf('web')!.metadata.labels![svccontroller('nodeselector')]).toBe('false')
  })

  test('services on one port live side by side in distinct pools', async () => {
    await addNode('a', '192.0.2.10', { labels: { ...enabled, ...pool('one') } })
    await addNode('b', '192.0.2.11', { labels: { ...enabled, ...pool('two') } })
    await addService('first', {}, { labels: pool('one') })
    await addService('second', {}, { labels: pool('two') })
    expect([excluded('first'), excluded('second')]).toEqual([[], []])
    await balancerPod('first', 'a')
    await balancerPod('second', 'b')
    expect([await addresses('first'), await addresses('second')]).toEqual([['192.0.2.10'], ['192.0.2.11']])
  })
})

describe('a port two services want', () => {
  const at = (second: number) => ({ creationTimestamp: `2026-01-01T00:00:0${second}Z` })

  test('belongs to the older one, and passes on when it goes', async () => {
    await addNode('a', '192.0.2.10')
    await addService('young', {}, at(2))
    await addService('old', {}, at(1))
    expect([excluded('old'), excluded('young')]).toEqual([[], ['a']])
    const message =
      'port 80/TCP belongs to the older service default/old on every node this service may use; use another port, or a pool of nodes of its own (label svccontroller.k3s.cattle.io/lbpool)'
    expect(harness.events()).toContain(`PortConflict: ${message}`)
    expect(await condition('young')).toMatchObject({ status: 'True', reason: 'PortConflict', message })
    expect(await condition('old')).toBeUndefined()
    await harness.client.delete(services, { name: 'old', namespace: 'default' })
    await harness.idle()
    expect(excluded('young')).toEqual([])
    expect(await condition('young')).toBeUndefined()
  })

  test('of the same age belongs to the lower uid', async () => {
    await addNode('a', '192.0.2.10')
    await addService('x', {}, { ...at(1), uid: 'bbbbbbbbb' })
    await addService('y', {}, { ...at(1), uid: 'aaaaaaaaa' })
    expect([excluded('x'), excluded('y')]).toEqual([['a'], []])
  })

  test('is no conflict with another protocol, and one when only one of several ports is taken', async () => {
    await addNode('a', '192.0.2.10')
    await addService('tcp', { ports: [{ port: 53, protocol: 'TCP' }] }, at(1))
    await addService('udp', { ports: [{ port: 53, protocol: 'UDP' }] }, at(2))
    await addService('both', { ports: [{ port: 99, protocol: 'TCP' }, { port: 53, protocol: 'UDP' }] }, at(3)) // biome-ignore format: one line
    await addService('last', { ports: [{ port: 99, protocol: 'TCP' }] }, at(4))
    expect(['tcp', 'udp', 'both', 'last'].map(excluded)).toEqual([[], [], ['a'], []])
  })

  test('is only fought over on nodes both may use', async () => {
    const taints = [{ key: 'edge', effect: 'NoSchedule' }]
    await addNode('a', '192.0.2.10')
    await addNode('edge', '192.0.2.11', { taints })
    await addService('old', {}, at(1))
    const tolerations = '[{"key":"edge","operator":"Exists"}]'
    await addService('young', {}, { ...at(2), annotations: { [svccontroller('tolerations')]: tolerations } })
    expect(excluded('young')).toEqual(['a'])
    expect((await condition('young'))?.message).toMatch(
      /^port 80\/TCP belongs to the older service default\/old on a; /,
    )
    await balancerPod('young', 'edge')
    expect(await addresses('young')).toEqual(['192.0.2.11'])
  })

  test('is nobody’s when the cluster itself needs it', async () => {
    await addNode('server', '192.0.2.10', { labels: { 'node-role.kubernetes.io/control-plane': 'true' } })
    await addNode('worker', '192.0.2.11')
    await addService('api', { ports: [{ port: 6443, protocol: 'TCP' }] })
    await addService('kubelet', { ports: [{ port: 10250, protocol: 'TCP' }] })
    expect([excluded('api'), excluded('kubelet')]).toEqual([['server'], ['server', 'worker']])
    expect((await condition('api'))?.message).toMatch(/^port 6443\/TCP belongs to the API server on server; /)
  })

  test('is not to be had where it is the node port of another', async () => {
    await addNode('a', '192.0.2.10')
    const own = { ports: [{ port: 30080, protocol: 'TCP', nodePort: 30080 }] }
    await addService('own', own)
    expect(excluded('own')).toEqual([])
    await addService('other', { ports: [{ port: 30081, protocol: 'TCP', nodePort: 30001 }] })
    await addService('inner', { type: 'NodePort', ports: [{ port: 80, protocol: 'TCP', nodePort: 30081 }] })
    expect(excluded('other')).toEqual(['a'])
    expect((await condition('other'))?.message).toMatch(
      /^port 30081\/TCP belongs to the node port of service default\/inner on /,
    )
    await harness.client.delete(services, { name: 'inner', namespace: 'default' })
    await harness.idle()
    expect(excluded('other')).toEqual([])
  })

  test('a pod’s host port in the way is named, until the balancer runs', async () => {
    await addNode('a', '192.0.2.10')
    await addService('web')
    harness.client.seed(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'nginx', namespace: 'apps' },
      spec: { nodeName: 'a', containers: [{ name: 'c', ports: [{ containerPort: 8080, hostPort: 80 }] }] },
    } as Pod)
    const { nodeName: _, ...spec } = { ...template('web'), nodeName: '' }
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['a'] }]
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
    }
    const waiting = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }
    harness.client.seed(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'svclb-web-1',
        namespace: 'kube-system',
        labels: setOf('web')!.spec.template.metadata!.labels!,
      },
      spec: { ...spec, affinity },
      status: { phase: 'Pending', conditions: [waiting] },
    } as Pod)
    await harness.idle()
    expect(await condition('web')).toMatchObject({
      reason: 'PortInUse',
      message: 'port 80/TCP of node a is taken by the host port of pod apps/nginx',
    })
    await harness.client.delete(pods, { name: 'svclb-web-1', namespace: 'kube-system' }, { gracePeriodSeconds: 0 })
    await balancerPod('web', 'a')
    expect(await condition('web')).toBeUndefined()
  })
})

test('with the DaemonSet controller: pods are where the port is won, and move with it', async () => {
  const both = new Harness()
  await both.start(serviceLb(options), daemonSetController())
  const labels = (pool: string) => ({ [svccontroller('enablelb')]: 'true', [svccontroller('lbpool')]: pool })
  for (const [name, pool] of [['a', 'one'], ['b', 'one'], ['c', 'two']] as const) // biome-ignore format: one line
    both.client.seed(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: labels(pool) },
      spec: {},
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    } as Node)
  const balancer = (name: string, second: number, pool?: string) =>
    both.client.seed(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace: 'default',
        uid: `${name}-uid-1234567`,
        creationTimestamp: `2026-01-01T00:00:0${second}Z`,
        ...(pool ? { labels: { [svccontroller('lbpool')]: pool } } : {}),
      },
      spec: { type: 'LoadBalancer', ports: [{ port: 80, protocol: 'TCP' }] },
    } as Service)
  const where = () => {
    const all = [...both.client.store.table('/pods').values()] as unknown as Pod[]
    const alive = all.filter(pod => pod.metadata.deletionTimestamp === undefined)
    return alive.map(pod => `${pod.metadata.labels![svccontroller('svcname')]} on ${nodeOf(pod)}`).sort()
  }
  balancer('pooled', 1, 'one')
  balancer('everywhere', 2)
  await both.idle()
  expect(where()).toEqual(['everywhere on c', 'pooled on a', 'pooled on b'])
  await both.client.delete(services, { name: 'pooled', namespace: 'default' })
  await both.idle()
  expect(where().filter(each => each.startsWith('everywhere'))).toEqual([
    'everywhere on a',
    'everywhere on b',
    'everywhere on c',
  ])
  await both.client.patch(
    nodes,
    { name: 'b' },
    { metadata: { labels: { [svccontroller('enablelb')]: 'false' } } },
    { type: 'merge' },
  )
  await both.idle()
  expect(where().filter(each => each.startsWith('everywhere'))).toEqual(['everywhere on a', 'everywhere on c'])
  await both.stop()
})

test('beside its balancers a service has a DaemonSet of the short name as well, without pods, for as long as it lives', async () => {
  await addNode('a', '192.0.2.10')
  await addService('traefik', {}, { namespace: 'kube-system' })
  const [real, short] = sets()
  expect([real, short].map(set => set!.metadata.name)).toEqual(['svclb-traefik-traefik-', 'svclb-traefik'])
  expect(real!.spec.template.metadata!.labels).toMatchObject(short!.spec.selector.matchLabels!)
  expect(short!.spec.template.spec!.nodeSelector).toEqual({ [svccontroller('alias-of')]: 'svclb-traefik-traefik-' })
  await harness.client.delete(services, { name: 'traefik', namespace: 'kube-system' })
  await harness.idle()
  expect(sets()).toEqual([])
})

test('--disable servicelb: DaemonSets, addresses and finalizers of earlier runs go; services of others stay as they are', async () => {
  await addNode('a', '192.0.2.10')
  await addService('web')
  await balancerPod('web', 'a')
  await addService('other', { loadBalancerClass: 'x' }, { finalizers: ['service.kubernetes.io/load-balancer-cleanup'] })
  await harness.stop()
  const next = new Harness(harness.client)
  await next.start(serviceLbCleanup('kube-system'))
  expect(sets()).toEqual([])
  expect(await addresses('web')).toEqual([])
  expect((await current('web')).metadata.finalizers ?? []).toEqual([])
  expect((await current('other')).metadata.finalizers).toHaveLength(1)
  await next.stop()
})
