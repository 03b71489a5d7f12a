import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { nodes } from '../../client/resources.ts'
import { FakeClock } from '../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../client/testing/memory-client.ts'
import type { EventRecorder } from '../pods/events.ts'
import type { Runtime } from '../runtime.ts'
import type { Machine } from './machine.ts'
import type { NodeSettings } from './node-object.ts'
import { NodeRegistrar } from './registrar.ts'

const settings: NodeSettings = {
  name: 'n1',
  hostname: 'n1',
  ips: ['192.0.2.1'],
  externalIps: [],
  internalDns: [],
  externalDns: [],
  externalCloud: false,
  providerId: undefined,
  labels: {},
  annotations: {},
  taints: [],
  version: 'v1.36.0',
  kubeletPort: 10250,
  maxPods: 110,
}
const machine: Machine = {
  cpus: 4,
  memoryBytes: 2 ** 33,
  diskBytes: 2 ** 37,
  hugepages: {},
  machineId: 'm',
  systemUuid: 's',
  bootId: 'b',
  kernel: '6.1',
  osImage: 'Debian',
  architecture: 'amd64',
}

let client: MemoryClient
let clock: FakeClock
let registrar: NodeRegistrar
const stop = new AbortController()
beforeEach(async () => {
  client = new MemoryClient()
  clock = new FakeClock()
  registrar = new NodeRegistrar({
    client,
    clock,
    random: () => 0,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    signal: stop.signal,
    runtime: {
      status: async () => [
        { type: 'RuntimeReady', status: true },
        { type: 'NetworkReady', status: true },
      ],
      version: async () => ({ name: 'containerd', version: '1' }),
      listImages: async () => [],
    } as unknown as Runtime,
    events: { node() {} } as unknown as EventRecorder,
    machine,
    settings,
    dataDir: '/',
    networkReady() {},
  })
  await registrar.register()
})
afterEach(() => stop.abort())

const node = () => client.get(nodes, { name: 'n1' })
const readiness = async () => (await node()).status?.conditions?.find(({ type }) => type === 'Ready')?.status

test('a node that was given up while it was silent reports as soon as it hears of it', async () => {
  expect(await readiness()).toBe('True')
  const before = await node()
  const conditions = before.status?.conditions?.map(condition => ({ ...condition, status: 'Unknown' }))
  const given = await client.update(
    nodes,
    { ...before, status: { ...before.status, conditions } },
    { subresource: 'status' },
  )
  registrar.seen(before)
  expect(await readiness()).toBe('Unknown')
  const writes = client.calls.length
  registrar.seen(given)
  // It looks at the disk first.
  while ((await readiness()) !== 'True') await new Promise(resolve => setTimeout(resolve, 5))
  registrar.seen(await node())
  expect(client.calls.slice(writes).filter(({ verb }) => verb === 'patch')).toHaveLength(1)
})
