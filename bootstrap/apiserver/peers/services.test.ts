import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { StatusError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'
import type { Client, Resource } from '../../client/client.ts'
import { Claims } from '../services/claims.ts'
import { assembledPeers, type TestPeers } from '../testing-assembled.ts'

const services: Resource = { group: '', version: 'v1', resource: 'services', kind: 'Service', namespaced: true }
let peers: TestPeers
let clients: readonly Client[]

beforeEach(async () => {
  peers = await assembledPeers(2)
  clients = peers.servers.map(server => server.client())
})
afterEach(() => peers.stop())

const service = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { type: 'NodePort', ports: [{ port: 80 }], ...spec },
})
const at = (name: string) => ({ name, namespace: 'default' })
const specOf = (object: KubeObject) => object.spec as ServiceSpec
const claimed = async () =>
  (await peers.datastore.read('/registry/serviceallocations/')).entries.map(({ key }) =>
    key.split('/').slice(3).join('/'),
  )

test('no two Services get the same address or port, though no server has heard of the other', async () => {
  for (const way of peers.ways) way.hold()
  const made = await Promise.all(
    Array.from({ length: 200 }, (_, i) => clients[i % 2]!.create(services, service(`s${i}`))),
  )
  for (const way of peers.ways) way.flow()
  expect(new Set(made.map(one => specOf(one).clusterIP)).size).toBe(200)
  expect(new Set(made.map(one => specOf(one).ports?.[0]?.nodePort)).size).toBe(200)
}, 30_000)

test('what is asked for by name goes to one, and is free again once it is gone', async () => {
  const spec = { clusterIP: '10.43.0.77', ports: [{ port: 80, nodePort: 30077 }] }
  for (const way of peers.ways) way.hold()
  const making = Promise.allSettled(clients.map((client, i) => client.create(services, service(`s${i}`, spec))))
  while (!(await claimed()).includes('port/30077')) await new Promise(setImmediate)
  for (const way of peers.ways) way.flow()
  const tries = await making
  expect(tries.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  const lost = tries.findIndex(({ status }) => status === 'rejected')
  const refusal = (tries[lost] as PromiseRejectedResult).reason as StatusError
  expect([refusal.code, refusal.message]).toEqual([422, expect.stringContaining('provided IP is already allocated')])
  await clients[1 - lost]!.delete(services, at(`s${1 - lost}`))
  peers.ways[lost]!.hold()
  expect(specOf(await clients[lost]!.create(services, service('next', spec))).clusterIP).toBe('10.43.0.77')
})

test('what was not used is given back: after refusals, dry runs and changes', async () => {
  const before = (await claimed()).length
  await clients[0]!.create(services, service('s'))
  expect(await claimed()).toHaveLength(before + 2)
  await expect(clients[1]!.create(services, service('s'))).rejects.toThrow('already exists')
  await clients[1]!.create(services, service('dry'), { dryRun: true })
  expect(await claimed()).toHaveLength(before + 2)
  await clients[1]!.patch(services, at('s'), { spec: { type: 'ClusterIP' } }, { type: 'merge' })
  expect(await claimed()).toHaveLength(before + 1)
  await clients[0]!.delete(services, at('s'))
  expect(await claimed()).toHaveLength(before)
})

test('a claim that a server left behind is swept in the second round, one that is missing is made', async () => {
  await clients[0]!.create(services, service('s', { ports: [{ port: 80, nodePort: 30001 }] }))
  const claims = new Claims(peers.datastore)
  const holder = service('never')
  expect(await claims.take(['port/30002'], holder)).toEqual([])
  expect(await claims.take(['port/30002', 'port/30003'], holder)).toEqual(['port/30002'])
  await claims.release(['port/30001'])
  const store = peers.servers[0]!.store.loaded('', 'services')!
  await claims.sweep(store)
  expect(await claimed()).toEqual(expect.arrayContaining(['port/30001', 'port/30002']))
  await claims.sweep(store)
  expect(await claimed()).not.toContain('port/30002')
  expect(await claimed()).not.toContain('port/30003')
})
