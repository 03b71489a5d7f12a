import { describe, expect, test } from '@jest/globals'
import type { Pod, ResourceQuota } from '../types.gen.ts'
import { inScope } from './scopes.ts'
import { countedBy, usageOf } from './usage.ts'

const container = (requests: object, limits: object = {}, more: object = {}) => ({
  name: 'c',
  resources: { requests, limits },
  ...more,
})
const pod = (spec: object, phase = 'Running') =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'n' },
    spec: { containers: [container({ cpu: '100m', memory: '1Gi' }, { cpu: '1' })], ...spec },
    status: { phase },
  }) as unknown as Pod
const service = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec })
const claim = (spec: object, annotations: { [key: string]: string } = {}) => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'c', annotations },
  spec: { resources: { requests: { storage: '5Gi' } }, ...spec },
})
const ports = [{ port: 80, nodePort: 30_080 }, { port: 81 }]

const objects: [string, string, string, object, { [resource: string]: string }][] = [
  ['a Deployment', 'apps', 'deployments', { metadata: {} }, { 'count/deployments.apps': '1' }],
  ['a Secret', '', 'secrets', { metadata: {} }, { 'count/secrets': '1', secrets: '1' }],
  [
    'a pod',
    '',
    'pods',
    pod({}),
    {
      'count/pods': '1',
      pods: '1',
      cpu: '100m',
      'requests.cpu': '100m',
      memory: '1Gi',
      'requests.memory': '1Gi',
      'limits.cpu': '1',
    },
  ],
  ['a pod that has ended', '', 'pods', pod({}, 'Succeeded'), { 'count/pods': '1' }],
  [
    'a pod with sidecars, a large start and overhead',
    '',
    'pods',
    pod({
      containers: [container({ cpu: '1' }), container({ cpu: '500m', 'nvidia.com/gpu': '1' })],
      initContainers: [container({ cpu: '250m' }, {}, { restartPolicy: 'Always' }), container({ cpu: '3' })],
      overhead: { cpu: '10m' },
    }),
    {
      'count/pods': '1',
      pods: '1',
      cpu: '3260m',
      'requests.cpu': '3260m',
      'requests.nvidia.com/gpu': '1',
    },
  ],
  [
    'a pod with resources of its own',
    '',
    'pods',
    pod({ resources: { requests: { cpu: '2' }, limits: { memory: '2Gi' } } }),
    {
      'count/pods': '1',
      pods: '1',
      cpu: '2',
      'requests.cpu': '2',
      memory: '1Gi',
      'requests.memory': '1Gi',
      'limits.cpu': '1',
      'limits.memory': '2Gi',
    },
  ],
  [
    'a NodePort Service',
    '',
    'services',
    service({ type: 'NodePort', ports }),
    { 'count/services': '1', services: '1', 'services.loadbalancers': '0', 'services.nodeports': '2' },
  ],
  [
    'a LoadBalancer Service that picks its node ports',
    '',
    'services',
    service({ type: 'LoadBalancer', ports, allocateLoadBalancerNodePorts: false }),
    { 'count/services': '1', services: '1', 'services.loadbalancers': '1', 'services.nodeports': '1' },
  ],
  [
    'a ClusterIP Service',
    '',
    'services',
    service({ type: 'ClusterIP', ports }),
    { 'count/services': '1', services: '1', 'services.loadbalancers': '0', 'services.nodeports': '0' },
  ],
  [
    'a claim of a class',
    '',
    'persistentvolumeclaims',
    claim({ storageClassName: 'fast' }),
    {
      'count/persistentvolumeclaims': '1',
      persistentvolumeclaims: '1',
      'requests.storage': '5Gi',
      'fast.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
      'fast.storageclass.storage.k8s.io/requests.storage': '5Gi',
    },
  ],
  [
    'a claim of no class',
    '',
    'persistentvolumeclaims',
    claim({}),
    { 'count/persistentvolumeclaims': '1', persistentvolumeclaims: '1', 'requests.storage': '5Gi' },
  ],
]

const texts = (amounts: ReadonlyMap<string, { toString(): string }>) =>
  Object.fromEntries([...amounts].map(([name, amount]) => [name, amount.toString()]))

describe('what an object counts for', () => {
  test.each(objects)('%s', (_case, group, resource, object, expected) => {
    expect(texts(usageOf({ group, resource }, object as Pod))).toEqual(expected)
  })
})

describe('what a scope covers', () => {
  const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ namespaces: ['x'] }] } }
  const pods = {
    plain: pod({}),
    bare: pod({ containers: [container({}, { 'ephemeral-storage': '1Gi' })] }),
    short: pod({ activeDeadlineSeconds: 5 }),
    important: pod({ priorityClassName: 'high' }),
    sociable: pod({ affinity }),
  }
  const on = (scopeName: string, operator = 'Exists', values?: string[]) => ({
    scopeSelector: { matchExpressions: [{ scopeName, operator, ...(values ? { values } : {}) }] },
  })

  test.each([
    [{ scopes: ['Terminating'] }, ['short']],
    [{ scopes: ['NotTerminating'] }, ['plain', 'bare', 'important', 'sociable']],
    [{ scopes: ['BestEffort'] }, ['bare']],
    [{ scopes: ['NotBestEffort', 'NotTerminating'] }, ['plain', 'important', 'sociable']],
    [{ scopes: ['PriorityClass'] }, ['important']],
    [{ scopes: ['CrossNamespacePodAffinity'] }, ['sociable']],
    [on('PriorityClass', 'In', ['high', 'low']), ['important']],
    [on('PriorityClass', 'NotIn', ['high']), ['plain', 'bare', 'short', 'sociable']],
    [on('PriorityClass', 'DoesNotExist'), ['plain', 'bare', 'short', 'sociable']],
    [on('Terminating'), ['short']],
    [on('VolumeAttributesClass', 'In', ['gold']), []],
  ])('%j', (spec, expected) => {
    const quota = { spec } as unknown as ResourceQuota
    const covered = Object.entries(pods).filter(([, object]) => inScope(quota, 'pods', object))
    expect(covered.map(([name]) => name)).toEqual(expected)
  })

  test('claims by their attributes class, and nothing else by any scope', () => {
    const gold = claim({ volumeAttributesClassName: 'gold' })
    const quota = { spec: on('VolumeAttributesClass', 'In', ['gold']) } as unknown as ResourceQuota
    expect(inScope(quota, 'persistentvolumeclaims', gold)).toBe(true)
    expect(inScope(quota, 'persistentvolumeclaims', claim({}))).toBe(false)
    expect(inScope({ spec: { scopes: ['Terminating'] } } as unknown as ResourceQuota, 'services', service({}))).toBe(
      false,
    )
  })
})

test.each([
  ['count/widgets.example.com', 'example.com', 'widgets'],
  ['count/secrets', '', 'secrets'],
  ['configmaps', '', 'configmaps'],
  ['services.nodeports', '', 'services'],
  ['requests.storage', '', 'persistentvolumeclaims'],
  ['fast.storageclass.storage.k8s.io/requests.storage', '', 'persistentvolumeclaims'],
  ['limits.cpu', '', 'pods'],
  ['requests.nvidia.com/gpu', '', 'pods'],
])('%s is about %s %s', (bound, group, resource) => {
  expect(countedBy(bound)).toEqual({ group, resource })
})
