import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { StatusError } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Client } from '../../client/client.ts'
import { configMaps, resourceQuotas } from '../../client/resources.ts'
import { assembledPeers, type TestPeers } from '../testing-assembled.ts'

let peers: TestPeers
let clients: readonly Client[]

beforeEach(async () => {
  peers = await assembledPeers(2)
  clients = peers.servers.map(server => server.client())
  await clients[0]!.create(resourceQuotas, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'few', namespace: 'default' },
    spec: { hard: { 'count/configmaps': '5' } },
  })
  await clients[1]!.get(resourceQuotas, { name: 'few', namespace: 'default' })
})
afterEach(() => peers.stop())

const map = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
})
const make = (server: number, name: string) => clients[server]!.create(configMaps, map(name) as never)

test('servers together let through what a quota allows, and no more', async () => {
  const tries = await Promise.allSettled(Array.from({ length: 24 }, (_, i) => make(i % 2, `m${i}`)))
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
  const refusals = tries.flatMap(one => (one.status === 'rejected' ? [(one.reason as StatusError).message] : []))
  for (const refusal of refusals)
    expect(refusal).toContain('exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=5')
  expect((await clients[1]!.list(configMaps, { namespace: 'default' })).items).toHaveLength(5)
}, 20_000)

test('what is deleted makes room at once, through either server; what is refused or tried takes none', async () => {
  for (let i = 0; i < 5; i++) await make(i % 2, `m${i}`)
  for (let i = 0; i < 5; i++) {
    await clients[i % 2]!.delete(configMaps, { name: `m${i}`, namespace: 'default' })
    await clients[0]!.create(configMaps, map('dry') as never, { dryRun: true })
    await expect(make(0, i < 4 ? `m${i + 1}` : 'n0')).rejects.toThrow('already exists')
    await make((i + 1) % 2, `n${i}`)
    await expect(make(0, 'more')).rejects.toThrow('exceeded quota')
  }
}, 20_000)
