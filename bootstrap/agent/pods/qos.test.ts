import { describe, expect, test } from '@jest/globals'
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { containerResources, cpuQuota, cpuShares, cpuWeight, podCgroup, podCgroupLimits, qosClassOf } from './qos.ts'

type Resources = Container['resources']
const container = (name: string, resources?: Resources, restartPolicy?: string): Container => ({
  name,
  resources,
  restartPolicy,
})
const both = (cpu: string, memory: string): Resources => ({ requests: { cpu, memory }, limits: { cpu, memory } })
const node = { memoryCapacity: 8 * 2 ** 30, cpuQuota: true }
const pod = (...containers: Container[]): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { uid: 'u1' },
  spec: { containers },
})

test.each([
  ['nothing', [container('a')], 'BestEffort', '/kubepods/besteffort/podu1'],
  ['equal requests and limits', [container('a', both('1', '1Gi'))], 'Guaranteed', '/kubepods/podu1'],
  ['limits alone', [container('a', { limits: { cpu: '1', memory: '1Gi' } })], 'Guaranteed', '/kubepods/podu1'],
  ['one of two', [container('a', both('1', '1Gi')), container('b')], 'Burstable', '/kubepods/burstable/podu1'],
  ['cpu alone', [container('a', { limits: { cpu: '1' } })], 'Burstable', '/kubepods/burstable/podu1'],
  ['zero', [container('a', { requests: { cpu: '0' } })], 'BestEffort', '/kubepods/besteffort/podu1'],
  [
    'other resources',
    [container('a', { limits: { 'example.com/x': '1' } })],
    'BestEffort',
    '/kubepods/besteffort/podu1',
  ],
] as const)('QoS with %s', (_, containers, expected, cgroup) => {
  expect(qosClassOf({ containers })).toBe(expected)
  expect(podCgroup(pod(...containers))).toBe(cgroup)
})

test.each([
  [0, 2, 0, 1],
  [1, 2, 1000, 1],
  [100, 102, 10_000, 4],
  [1000, 1024, 100_000, 39],
  [2500, 2560, 250_000, 98],
])('%d millicores', (milli, shares, quota, weight) => {
  expect([cpuShares(milli), cpuQuota(milli), cpuWeight(cpuShares(milli))]).toEqual([shares, quota, weight])
})

describe('a container', () => {
  test.each([
    ['without resources', undefined, { cpuShares: 2, oomScoreAdj: 1000 }],
    [
      'guaranteed',
      both('500m', '1Gi'),
      { cpuShares: 512, cpuPeriod: 100_000, cpuQuota: 50_000, memoryLimitInBytes: 2 ** 30, oomScoreAdj: -997 },
    ],
    ['burstable', { requests: { memory: '2Gi' } }, { cpuShares: 2, oomScoreAdj: 750 }],
    ['burstable with little', { requests: { memory: '1' } }, { cpuShares: 2, oomScoreAdj: 999 }],
    [
      'with huge pages',
      { requests: { memory: '8Gi' }, limits: { 'hugepages-2Mi': '4Mi' } },
      { cpuShares: 2, oomScoreAdj: 3, hugepageLimits: [{ pageSize: '2MB', limit: 4 * 2 ** 20 }] },
    ],
  ])('%s', (_, resources, expected) => {
    const one = container('a', resources)
    expect(containerResources(pod(one), one, node)).toEqual(expected)
  })
})

describe('a pod', () => {
  test.each([
    ['one container without limit', [container('a', both('1', '1Gi')), container('b')], [], { cpuShares: 1024 }],
    [
      'all limited',
      [container('a', both('1', '1Gi')), container('b', both('1', '1Gi'))],
      [],
      { cpuShares: 2048, cpuQuota: 200_000, memoryLimit: 2 ** 31 },
    ],
    [
      'a bigger init container',
      [container('a', both('1', '1Gi'))],
      [container('i', both('3', '3Gi'))],
      { cpuShares: 3072, cpuQuota: 300_000, memoryLimit: 3 * 2 ** 30 },
    ],
    [
      'a sidecar',
      [container('a', both('1', '1Gi'))],
      [container('s', both('1', '1Gi'), 'Always')],
      { cpuShares: 2048, cpuQuota: 200_000, memoryLimit: 2 ** 31 },
    ],
  ])('%s', (_, containers, initContainers, expected) => {
    expect(podCgroupLimits({ containers, initContainers }, node)).toEqual(expected)
  })
})
