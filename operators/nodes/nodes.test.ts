import { describe, expect, test } from '@jest/globals'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import { Harness } from '../runtime/testing/harness.ts'
import { cloudNodes } from './cloud.ts'
import { firstFree, nodeIpam } from './ipam.ts'
import { controlPlaneRole } from './roles.ts'

const addNode = (harness: Harness, name: string) =>
  harness.client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {} } as Node)

test.each([
  ['10.42.0.0/16', [], '10.42.0.0/24'],
  ['10.42.0.0/16', ['10.42.0.0/24', '10.42.1.0/24'], '10.42.2.0/24'],
  ['10.42.0.0/23', ['10.42.0.0/24', '10.42.1.0/24'], undefined],
  ['10.42.7.0/26', [], '10.42.7.0/26'],
  ['fd00:42::/56', ['fd00:42::/64'], 'fd00:42:0:1::/64'],
  ['fd00:42::/63', ['fd00:42::/64', 'fd00:42:0:1::/64'], undefined],
])('the first free block of %s without %j is %s', (cidr, taken, expected) => {
  expect(firstFree(cidr, new Set(taken))).toBe(expected)
})

test('every node gets a block of its own, once', async () => {
  const harness = new Harness()
  await addNode(harness, 'a')
  await harness.start(nodeIpam({ clusterCidrs: ['10.42.0.0/16'] }))
  await addNode(harness, 'b')
  await harness.idle()
  const blocks = (await harness.client.list(nodes)).items.map(node => node.spec.podCIDRs)
  expect(blocks).toEqual([['10.42.0.0/24'], ['10.42.1.0/24']])
})

test('in a cluster of both families a node gets a block of each, as large as asked for', async () => {
  const harness = new Harness()
  await addNode(harness, 'a')
  const controllerArgs = ['node-cidr-mask-size-ipv4=26', 'node-cidr-mask-size-ipv6=72']
  await harness.start(nodeIpam({ clusterCidrs: ['fd00:42::/56', '10.42.0.0/16'], controllerArgs }))
  await addNode(harness, 'b')
  await harness.idle()
  const specs = (await harness.client.list(nodes)).items.map(node => node.spec)
  expect(specs).toEqual([
    { podCIDR: 'fd00:42::/72', podCIDRs: ['fd00:42::/72', '10.42.0.0/26'] },
    { podCIDR: 'fd00:42:0:0:100::/72', podCIDRs: ['fd00:42:0:0:100::/72', '10.42.0.64/26'] },
  ])
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

describe('the cloud controller', () => {
  const uninitialized = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' }
  const dedicated = { key: 'dedicated', value: 'x', effect: 'NoExecute' }

  /** A node as its agent registers it, and what becomes of it. */
  async function registered(change: { annotations?: object; labels?: object; spec?: object } = {}) {
    const harness = new Harness()
    await harness.start(cloudNodes)
    harness.client.seed(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'n1',
        labels: { ...change.labels },
        annotations: { 'k3s.io/internal-ip': '192.0.2.1', 'k3s.io/hostname': 'h1', ...change.annotations },
      },
      spec: { taints: [dedicated, uninitialized], ...change.spec },
      status: { addresses: [{ type: 'Hostname', address: 'old' }] },
    } as Node)
    await harness.idle()
    const node = await harness.client.get(nodes, { name: 'n1' })
    return { harness, node, addresses: node.status!.addresses!.map(({ type, address }) => `${type} ${address}`) }
  }

  test('makes a new node ready for pods', async () => {
    const { harness, node, addresses } = await registered()
    expect(node.spec).toEqual({ providerID: 'k3s://n1', taints: [dedicated] })
    expect(node.metadata.labels).toEqual({
      'node.kubernetes.io/instance-type': 'k3s',
      'beta.kubernetes.io/instance-type': 'k3s',
    })
    expect(addresses).toEqual(['InternalIP 192.0.2.1', 'Hostname h1'])
    expect(harness.events()).toEqual(['Synced: Node synced successfully'])
  })

  test('publishes all kinds of addresses, in K3s’ order, and follows a change', async () => {
    const annotations = {
      'k3s.io/external-dns': 'n1.example.com',
      'k3s.io/external-ip': '203.0.113.1,2001:db8::1',
      'k3s.io/internal-dns': 'n1.lan',
    }
    const { harness, addresses } = await registered({ annotations })
    expect(addresses).toEqual([
      'InternalIP 192.0.2.1',
      'ExternalIP 203.0.113.1',
      'ExternalIP 2001:db8::1',
      'InternalDNS n1.lan',
      'ExternalDNS n1.example.com',
      'Hostname h1',
    ])
    const metadata = { annotations: { 'k3s.io/internal-ip': '192.0.2.99' } }
    await harness.client.patch(nodes, { name: 'n1' }, { metadata }, { type: 'merge' })
    await harness.idle()
    const after = await harness.client.get(nodes, { name: 'n1' })
    expect(after.status!.addresses![0]).toEqual({ type: 'InternalIP', address: '192.0.2.99' })
  })

  test('keeps what the node says of itself: provider id, kind of machine, zone', async () => {
    const labels = { 'node.kubernetes.io/instance-type': 'cx22', 'topology.kubernetes.io/zone': 'z1' }
    const { node } = await registered({ labels, spec: { providerID: 'hcloud://1' } })
    expect(node.spec.providerID).toBe('hcloud://1')
    expect(node.metadata.labels).toMatchObject({
      'node.kubernetes.io/instance-type': 'cx22',
      'beta.kubernetes.io/instance-type': 'cx22',
      'failure-domain.beta.kubernetes.io/zone': 'z1',
    })
  })

  test('takes addresses of older agents from labels, and the host name from the agent', async () => {
    const annotations = { 'k3s.io/internal-ip': '', 'k3s.io/hostname': '' }
    const { addresses } = await registered({ annotations, labels: { 'k3s.io/internal-ip': '192.0.2.7' } })
    expect(addresses).toEqual(['InternalIP 192.0.2.7', 'Hostname old'])
  })

  test('waits for a node that has not told its address', async () => {
    const { node } = await registered({ annotations: { 'k3s.io/internal-ip': '' } })
    expect(node.spec).toEqual({ taints: [dedicated, uninitialized] })
  })
})
