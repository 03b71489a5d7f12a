import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { etcdMembers, etcdNode } from './members.ts'

let harness: Harness
let removed: string[]

const member = {
  name: 'a-11111111',
  address: '10.0.0.1',
  remove: async (name: string, address: string) => void removed.push(`${name} at ${address}`),
}

beforeEach(async () => {
  harness = new Harness()
  removed = []
  await addNode('a')
})

afterEach(() => harness.stop())

const addNode = (name: string) =>
  harness.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} } as Node)

const annotate = async (annotations: { [name: string]: string | null }) => {
  await harness.client.patch(nodes, { name: 'a' }, { metadata: { annotations } }, { type: 'merge' })
  await harness.idle()
}

const metadata = async () => (await harness.client.get(nodes, { name: 'a' })).metadata

test('a server says on its own node which member it runs', async () => {
  await addNode('b')
  await harness.start(etcdNode('a', member))
  expect(await metadata()).toMatchObject({
    labels: { 'node-role.kubernetes.io/etcd': 'true' },
    annotations: { 'etcd.k3s.cattle.io/node-name': 'a-11111111', 'etcd.k3s.cattle.io/node-address': '10.0.0.1' },
  })
  expect((await harness.client.get(nodes, { name: 'b' })).metadata.labels).toBeUndefined()
})

test('the node says that it votes, again every five minutes, and no more once its member is removed', async () => {
  await harness.start(etcdNode('a', member))
  const voter = async () => {
    const { status } = await harness.client.get(nodes, { name: 'a' })
    const { reason, status: is, lastHeartbeatTime, lastTransitionTime } = status!.conditions![0]!
    return [is, reason, lastHeartbeatTime, lastTransitionTime]
  }
  const start = '2026-01-01T00:00:00Z'
  expect(await voter()).toEqual(['True', 'MemberNotLearner', start, start])
  await harness.advance(10 * 60_000)
  expect(await voter()).toEqual(['True', 'MemberNotLearner', '2026-01-01T00:10:00Z', start])
  await harness.stop()
  const other = new Harness(harness.client)
  await other.start(etcdMembers(member))
  await annotate({ 'etcd.k3s.cattle.io/remove': 'true' })
  await other.idle()
  expect((await voter()).slice(0, 2)).toEqual(['False', 'NotAMember'])
  await other.stop()
})

test('a node that is deleted takes its member along; one without a member takes none', async () => {
  await addNode('b')
  await harness.start(etcdNode('a', member), etcdMembers(member))
  await harness.client.delete(nodes, { name: 'b' })
  await harness.client.delete(nodes, { name: 'a' })
  await harness.idle()
  expect(removed).toEqual(['a-11111111 at 10.0.0.1'])
})

test('an annotation removes the member once, and is answered; the next member of the node clears it', async () => {
  await harness.start(etcdMembers(member))
  const labels = { 'node-role.kubernetes.io/etcd': 'true' }
  await harness.client.patch(nodes, { name: 'a' }, { metadata: { labels } }, { type: 'merge' })
  await annotate({ 'etcd.k3s.cattle.io/node-name': member.name, 'etcd.k3s.cattle.io/node-address': member.address })
  await annotate({ 'etcd.k3s.cattle.io/remove': 'TRUE' })
  expect(removed).toEqual(['a-11111111 at 10.0.0.1'])
  expect((await metadata()).annotations).toEqual({
    'etcd.k3s.cattle.io/remove': 'TRUE',
    'etcd.k3s.cattle.io/removed-node-name': 'a-11111111',
  })
  await annotate({ 'etcd.k3s.cattle.io/node-name': 'a-22222222', 'etcd.k3s.cattle.io/node-address': '10.0.0.1' })
  expect((await metadata()).annotations).toEqual({
    'etcd.k3s.cattle.io/node-name': 'a-22222222',
    'etcd.k3s.cattle.io/node-address': '10.0.0.1',
    'etcd.k3s.cattle.io/remove': 'false',
  })
  expect(removed).toHaveLength(1)
})
