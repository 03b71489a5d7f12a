import { expect, test } from '@jest/globals'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { firstFree, nodeIpam } from './ipam.ts'
import { controlPlaneRole } from './roles.ts'

const addNode = (harness: Harness, name: string) =>
  harness.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} } as Node)

test.each([
  ['10.42.0.0/16', [], '10.42.0.0/24'],
  ['10.42.0.0/16', ['10.42.0.0/24', '10.42.1.0/24'], '10.42.2.0/24'],
  ['10.42.0.0/23', ['10.42.0.0/24', '10.42.1.0/24'], undefined],
  ['10.42.7.0/26', [], '10.42.7.0/26'],
])('the first free block of %s without %j is %s', (cidr, taken, expected) => {
  expect(firstFree(cidr, new Set(taken))).toBe(expected)
})

test('every node gets a block of its own, once', async () => {
  const harness = new Harness()
  await addNode(harness, 'a')
  await harness.start(nodeIpam('10.42.0.0/16'))
  await addNode(harness, 'b')
  await harness.idle()
  const blocks = (await harness.client.list(nodes)).items.map(node => node.spec.podCIDRs)
  expect(blocks).toEqual([['10.42.0.0/24'], ['10.42.1.0/24']])
})

test('only the server’s own node is control plane', async () => {
  const harness = new Harness()
  await addNode(harness, 'server')
  await addNode(harness, 'worker')
  await harness.start(controlPlaneRole('server'))
  const labels = (await harness.client.list(nodes)).items.map(
    node => node.metadata.labels?.['node-role.kubernetes.io/control-plane'],
  )
  expect(labels).toEqual(['true', undefined])
})
