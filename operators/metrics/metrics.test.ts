import { describe, expect, test } from '@jest/globals'
import { nodes, pods } from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { parseArgs } from './args.ts'
import { decode, type Point } from './decode.ts'
import { documentAt } from './discovery.ts'
import { answerMetrics, isMetricsPath } from './metrics-api.ts'
import { UsageStore } from './usage.ts'

describe('flags', () => {
  test('those of the packaged manifest', () => {
    const args = [
      '--cert-dir=/tmp',
      '--secure-port=4443',
      '--kubelet-preferred-address-types=InternalIP,Hostname',
      '--kubelet-use-node-status-port',
      '--metric-resolution=15s',
    ]
    expect(parseArgs(args)).toMatchObject({
      port: 4443,
      resolutionMs: 15_000,
      addressTypes: ['InternalIP', 'Hostname'],
      useNodeStatusPort: true,
      insecureKubelet: false,
    })
  })
  test.each([
    ['--metric-resolution=5s', '--metric-resolution=5s: must be a duration of at least 10s'],
    ['--secure-port=x', '--secure-port=x: must be a port'],
    ['--bogus', 'unknown flag: --bogus'],
    ['bogus', 'unexpected argument "bogus": flags have the form --name=value'],
  ])('%s is refused', (arg, message) => expect(() => parseArgs([arg])).toThrow(message))
})

const exposition = `# HELP node_cpu_usage_seconds_total [STABLE] x
# TYPE node_cpu_usage_seconds_total counter
node_cpu_usage_seconds_total 100.5 1000
node_memory_working_set_bytes 2048 1000
container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 1.25 1001
container_memory_working_set_bytes{container="c",namespace="ns",pod="p"} 1.024e+06 1001
container_start_time_seconds{container="c",namespace="ns",pod="p"} 0.5 900
container_cpu_usage_seconds_total{pod="half",namespace="ns",container="ok"} 1
container_memory_working_set_bytes{pod="half",namespace="ns",container="ok"} 1
container_cpu_usage_seconds_total{pod="half",namespace="ns",container="new"} 0
container_cpu_usage_seconds_total_other{pod="x",namespace="ns",container="y"} 7
`

test("a kubelet's metrics are read; pods with incomplete containers are left out", () => {
  const { node, pods: found } = decode(exposition, 5000)
  expect(node).toEqual({ time: 1000, startedAt: 0, cpuNanos: 100_500_000_000, memoryBytes: 2048 })
  expect([...found.keys()]).toEqual(['ns/p'])
  const point = found.get('ns/p')?.get('c')
  expect(point).toEqual({ time: 1001, startedAt: 500, cpuNanos: 1_250_000_000, memoryBytes: 1_024_000 })
  expect(decode('node_cpu_usage_seconds_total 1\n', 5000).node).toBeUndefined()
})

const point = (time: number, cpuSeconds: number, startedAt = 0): Point => ({
  time,
  startedAt,
  cpuNanos: cpuSeconds * 1e9,
  memoryBytes: 4096,
})
const round = (node: Point | undefined, containers: { readonly [name: string]: Point }) =>
  new Map([['n', { node, pods: new Map([['ns/p', new Map(Object.entries(containers))]]) }]])

describe('usage is what lies between two points', () => {
  test('of a node', () => {
    const store = new UsageStore(15_000)
    store.store(round(point(10_000, 1), {}))
    expect([store.ready, store.node('n')]).toEqual([false, undefined])
    store.store(round(point(25_000, 4), {}))
    expect(store.ready).toBe(true)
    expect(store.node('n')).toEqual({ cpuNanos: 200_000_000, memoryBytes: 4096, time: 25_000, windowMs: 15_000 })
    // The same point again changes nothing.
    store.store(round(point(25_000, 4), {}))
    expect(store.node('n')?.windowMs).toBe(15_000)
    // A counter that went back says nothing.
    store.store(round(point(40_000, 1), {}))
    expect(store.node('n')).toBeUndefined()
    store.store(new Map())
    expect(store.ready).toBe(false)
  })

  test('of a pod, once all its containers have two', () => {
    const store = new UsageStore(15_000)
    store.store(round(undefined, { a: point(100_000, 1) }))
    expect(store.pod('ns/p')).toBeUndefined()
    store.store(round(undefined, { a: point(115_000, 2), b: point(115_000, 5) }))
    expect(store.pod('ns/p')).toBeUndefined()
    store.store(round(undefined, { a: point(130_000, 2), b: point(130_000, 8) }))
    expect(store.pod('ns/p')?.get('b')?.cpuNanos).toBe(200_000_000)
  })

  test('a young container counts from its start, a restarted one begins anew', () => {
    const store = new UsageStore(15_000)
    store.store(round(undefined, { a: point(112_000, 6, 100_000) }))
    expect(store.pod('ns/p')?.get('a')).toMatchObject({ cpuNanos: 500_000_000, windowMs: 12_000 })
    store.store(round(undefined, { a: point(127_000, 1, 120_000) }))
    expect(store.pod('ns/p')).toBeUndefined()
  })
})

describe('the API', () => {
  async function api() {
    const client = new MemoryClient()
    await client.create(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n', labels: { a: 'b' } },
      spec: {},
    })
    const pod = (name: string, runtimeClassName?: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'ns', labels: { app: name } },
      spec: {
        nodeName: 'n',
        containers: [{ name: 'c', image: 'i' }],
        ...(runtimeClassName ? { runtimeClassName } : {}),
      },
    })
    for (const made of [pod('p'), pod('dns', 'embedded'), pod('young')]) {
      const created = await client.create(pods, made as never)
      await client.update(pods, { ...created, status: { phase: 'Running' } } as never, { subresource: 'status' })
    }
    const usage = new UsageStore(15_000)
    for (const [time, cpu] of [
      [100_000, 1],
      [115_064, 2.5],
    ] as const)
      usage.store(round({ ...point(time, cpu), memoryBytes: 3 * 1024 ** 2 }, { c: point(time, cpu / 10) }))
    const deps = { client, usage, now: () => Date.parse('2026-01-01T00:00:00Z') }
    return (path: string, accept = '', method = 'GET') => {
      const [pathname = '', query = ''] = path.split('?')
      const asked = {
        method,
        path: `/apis/metrics.k8s.io/v1beta1/${pathname}`,
        query: new URLSearchParams(query),
        accept,
      }
      expect(isMetricsPath(asked.path)).toBe(true)
      return answerMetrics(deps, asked)
    }
  }

  test('nodes', async () => {
    expect(await (await api())('nodes/n')).toEqual({
      kind: 'NodeMetrics',
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: { name: 'n', creationTimestamp: '2026-01-01T00:00:00Z', labels: { a: 'b' } },
      timestamp: '1970-01-01T00:01:55Z',
      window: '15.064s',
      usage: { cpu: '99575146n', memory: '3Mi' },
    })
    expect(await (await api())('nodes?labelSelector=a%3Dc')).toMatchObject({ kind: 'NodeMetricsList', items: [] })
  })

  test('pods: those that are known, and embedded ones with nothing of their own', async () => {
    const ask = await api()
    const { items } = (await ask('namespaces/ns/pods')) as { items: { metadata: { name: string } }[] }
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['dns', 'p'])
    expect(items[0]).toMatchObject({ containers: [{ name: 'c', usage: { cpu: '0', memory: '0' } }] })
    expect(items[1]).toMatchObject({ window: '15.064s', containers: [{ usage: { cpu: '9957514n', memory: '4Ki' } }] })
    expect(await ask('pods?labelSelector=app%3Dp')).toMatchObject({ items: [{ metadata: { name: 'p' } }] })
    expect(await ask('pods?fieldSelector=metadata.name%3Dp')).toMatchObject({ items: [{ metadata: { name: 'p' } }] })
    await expect(ask('namespaces/ns/pods/young')).rejects.toThrow('podmetrics.metrics.k8s.io "ns/young" not found')
    await expect(ask('namespaces/ns/pods/gone')).rejects.toThrow('pods "gone" not found')
    await expect(ask('pods?watch=1')).rejects.toMatchObject({ code: 405 })
  })

  test('tables', async () => {
    const table = await (await api())('namespaces/ns/pods', 'application/json;as=Table;v=v1;g=meta.k8s.io')
    expect(table).toMatchObject({
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }, { name: 'cpu' }, { name: 'memory' }, { name: 'Window' }],
      rows: [
        { cells: ['dns', '0', '0', '15.064s'], object: { kind: 'PartialObjectMetadata' } },
        { cells: ['p', '9957514n', '4Ki', '15.064s'] },
      ],
    })
  })

  test('discovery, in both forms', () => {
    expect(documentAt('/apis/metrics.k8s.io/v1beta1', '')?.body).toMatchObject({
      resources: [
        { name: 'nodes', kind: 'NodeMetrics', namespaced: false, verbs: ['get', 'list'] },
        { name: 'pods', kind: 'PodMetrics', namespaced: true },
      ],
    })
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    expect(documentAt('/apis', accept)).toMatchObject({ type: accept, body: { kind: 'APIGroupDiscoveryList' } })
    expect(documentAt('/apis', '*/*')?.body).toMatchObject({ kind: 'APIGroupList' })
    expect(documentAt('/nothing', '')).toBeUndefined()
  })
})
