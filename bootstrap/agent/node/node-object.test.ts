import { expect, test } from '@jest/globals'
import type { Machine } from './machine.ts'
import { type NodeFacts, type NodeSettings, newNode, nodeStatus, readiness } from './node-object.ts'

const settings: NodeSettings = {
  name: 'n1',
  hostname: 'h1',
  ips: ['192.0.2.1', 'fd00::1'],
  externalIps: ['198.51.100.1'],
  labels: { 'node-role.kubernetes.io/control-plane': 'true' },
  annotations: { a: 'b' },
  taints: [{ key: 'k', effect: 'NoSchedule' }],
  version: 'v1.36.0+skiff1',
  kubeletPort: 10250,
  maxPods: 110,
}
const machine: Machine = {
  cpus: 4,
  memoryBytes: 8 * 2 ** 30,
  diskBytes: 100 * 2 ** 30,
  hugepages: { '2Mi': 2 ** 30, '1Gi': 0 },
  machineId: 'm',
  systemUuid: 's',
  bootId: 'b',
  kernel: '6.1',
  osImage: 'Debian',
  architecture: 'amd64',
}
const up = [
  { type: 'RuntimeReady', status: true, reason: '', message: '' },
  { type: 'NetworkReady', status: true, reason: '', message: '' },
]
const facts: NodeFacts = {
  machine,
  runtimeVersion: 'containerd://1',
  conditions: up,
  images: [],
  pressure: { memory: false, disk: true, pid: false },
}

test('a new node', () => {
  expect(newNode(settings, machine)).toMatchObject({
    metadata: {
      labels: {
        'kubernetes.io/hostname': settings.name,
        'kubernetes.io/arch': 'amd64',
        'node-role.kubernetes.io/control-plane': 'true',
      },
      annotations: { 'k3s.io/internal-ip': '192.0.2.1,fd00::1', 'k3s.io/hostname': 'h1', a: 'b' },
    },
    spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] },
  })
})

test('its status', () => {
  const previous = {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: 'then' },
      { type: 'NetworkUnavailable', status: 'False' },
    ],
  }
  const status = nodeStatus(settings, facts, previous, 'now')
  expect(status.capacity).toEqual({
    cpu: '4',
    memory: '8388608Ki',
    pods: '110',
    'ephemeral-storage': '104857600Ki',
    'hugepages-2Mi': '1048576Ki',
    'hugepages-1Gi': '0',
  })
  expect(status.allocatable).toMatchObject({ memory: '7340032Ki', 'ephemeral-storage': '102005473280' })
  expect(status.addresses?.map(({ type, address }) => `${type} ${address}`)).toEqual([
    'InternalIP 192.0.2.1',
    'InternalIP fd00::1',
    'Hostname h1',
  ])
  expect(
    status.conditions?.map(({ type, status: value, reason, lastTransitionTime }) => [
      type,
      value,
      reason,
      lastTransitionTime,
    ]),
  ).toEqual([
    ['NetworkUnavailable', 'False', undefined, undefined],
    ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'now'],
    ['DiskPressure', 'True', 'KubeletHasDiskPressure', 'now'],
    ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'now'],
    ['Ready', 'True', 'KubeletReady', 'then'],
  ])
})

test.each([
  [up, 'True', 'kubelet is posting ready status'],
  [
    [up[0]!, { type: 'NetworkReady', status: false, reason: 'NotYet', message: 'no plugin' }],
    'False',
    'container runtime network not ready: NetworkReady=false reason:NotYet message:no plugin',
  ],
  [
    [],
    'False',
    '[container runtime not ready: RuntimeReady=false reason: message:, container runtime network not ready: NetworkReady=false reason: message:]',
  ],
])('readiness %#', (conditions, status, message) => {
  expect(readiness(conditions)).toMatchObject({ type: 'Ready', status, message })
})

test('with a cloud controller the node waits for it, tells it what it knows, and keeps the addresses it was given', () => {
  const cloudy = { ...settings, externalCloud: true, internalDns: ['n1.lan'], externalDns: ['n1.example.com', 'n2'] }
  expect(newNode(cloudy, machine)).toMatchObject({
    metadata: {
      annotations: {
        'k3s.io/external-ip': '198.51.100.1',
        'k3s.io/internal-dns': 'n1.lan',
        'k3s.io/external-dns': 'n1.example.com,n2',
      },
    },
    spec: {
      taints: [
        { key: 'k', effect: 'NoSchedule' },
        { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' },
      ],
    },
  })
  expect(nodeStatus(cloudy, facts, undefined, 'now').addresses?.map(({ type }) => type)).toEqual([
    'InternalIP',
    'InternalIP',
    'Hostname',
  ])
  const given = { addresses: [{ type: 'ExternalIP', address: '198.51.100.1' }] }
  expect(nodeStatus(cloudy, facts, given, 'now')).not.toHaveProperty('addresses')
  expect(newNode({ ...settings, providerId: 'hcloud://1' }, machine).spec.providerID).toBe('hcloud://1')
})
