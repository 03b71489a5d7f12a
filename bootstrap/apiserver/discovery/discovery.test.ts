import { describe, expect, test } from '@jest/globals'
import type { Kind } from '../kinds/kind.ts'
import { kindRegistry } from '../schema/registry.ts'
import { discovery } from './discovery.ts'
import { compareVersions } from './groups.ts'

const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const v2beta1 = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'

const widget = (version: string, group = 'example.com'): Kind => ({
  group,
  version,
  kind: 'Widget',
  listKind: 'WidgetList',
  resource: 'widgets',
  singular: 'widget',
  shortNames: ['w'],
  categories: [],
  namespaced: true,
  verbs: ['get', 'list'],
  subresources: [{ name: 'status', kind: 'Widget', verbs: ['get'] }],
  schema: { type: 'object' },
  strategy: {},
  storage: { group, resource: 'widgets', version: 'v1' },
  custom: true,
})

const get = (answer: ReturnType<typeof discovery>, path: string, accept = 'application/json') =>
  JSON.parse(answer(path, accept)?.body.toString() ?? 'null')

describe('the form follows the Accept header', () => {
  const answer = discovery(kindRegistry())
  test.each([
    [v2, v2],
    [v2beta1, v2beta1],
    [`${v2},${v2beta1},application/json`, v2],
    [`${v2beta1},application/json`, v2beta1],
    [`${v2};profile=nopeer,${v2},application/json`, v2],
    ['application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io', v2],
    ['application/json, */*', 'application/json'],
    ['*/*', 'application/json'],
  ])('%s', (accept, contentType) => {
    const reply = answer('/apis', accept)!
    expect(reply.contentType).toBe(contentType)
    expect(reply.etag !== undefined).toBe(contentType !== 'application/json')
    expect(JSON.parse(reply.body.toString()).kind).toBe(
      contentType === 'application/json' ? 'APIGroupList' : 'APIGroupDiscoveryList',
    )
  })
})

test('the aggregated form names kinds, scopes and subresources', () => {
  const core = get(discovery(kindRegistry()), '/api', v2)
  expect(core).toMatchObject({ apiVersion: 'apidiscovery.k8s.io/v2', metadata: {} })
  expect(core.items).toHaveLength(1)
  const pods = core.items[0].versions[0].resources.find((r: { resource: string }) => r.resource === 'pods')
  expect(pods).toMatchObject({
    responseKind: { group: '', version: 'v1', kind: 'Pod' },
    scope: 'Namespaced',
    singularResource: 'pod',
    shortNames: ['po'],
    categories: ['all'],
  })
  expect(pods.subresources).toContainEqual({
    subresource: 'eviction',
    responseKind: { group: 'policy', version: 'v1', kind: 'Eviction' },
    verbs: ['create'],
  })
})

test('the plain documents', () => {
  const answer = discovery(kindRegistry(), { serverAddress: '10.0.0.1:6443' })
  expect(get(answer, '/api')).toEqual({
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '10.0.0.1:6443' }],
  })
  expect(get(answer, '/apis/autoscaling')).toEqual({
    kind: 'APIGroup',
    apiVersion: 'v1',
    name: 'autoscaling',
    versions: [
      { groupVersion: 'autoscaling/v2', version: 'v2' },
      { groupVersion: 'autoscaling/v1', version: 'v1' },
    ],
    preferredVersion: { groupVersion: 'autoscaling/v2', version: 'v2' },
  })
  const { resources, ...list } = get(answer, '/api/v1')
  expect(list).toEqual({ kind: 'APIResourceList', groupVersion: 'v1' })
  expect(resources).toContainEqual({
    name: 'pods',
    singularName: 'pod',
    namespaced: true,
    kind: 'Pod',
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    shortNames: ['po'],
    categories: ['all'],
    storageVersionHash: 'xPOwRZ+Yhw8=',
  })
  expect(resources).toContainEqual({
    name: 'replicationcontrollers/scale',
    singularName: '',
    namespaced: true,
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    verbs: ['get', 'patch', 'update'],
  })
})

test.each(['/apis/nothing', '/apis/apps/v2', '/api/v2', '/apis/apps/v1/deployments', '/apis/', '/version'])(
  'nothing is served at %s',
  path => {
    expect(discovery(kindRegistry())(path, 'application/json')).toBeUndefined()
  },
)

test('custom kinds come after the built-in groups, best version first, and go', () => {
  const registry = kindRegistry()
  const answer = discovery(registry)
  const before = answer('/apis', v2)!
  registry.add(widget('v1beta1'))
  registry.add(widget('v1'))
  registry.add(widget('v1', 'acme.io'))
  const names = get(answer, '/apis').groups.map((group: { name: string }) => group.name)
  expect(names.slice(0, 2)).toEqual(['apiregistration.k8s.io', 'apps'])
  expect(names.slice(-2)).toEqual(['acme.io', 'example.com'])
  expect(get(answer, '/apis/example.com').preferredVersion.version).toBe('v1')
  expect(answer('/apis', v2)?.etag).not.toBe(before.etag)
  registry.remove('example.com', 'v1beta1', 'widgets')
  registry.remove('example.com', 'v1', 'widgets')
  registry.remove('acme.io', 'v1', 'widgets')
  expect(answer('/apis', v2)?.etag).toBe(before.etag)
})

test('groups of servers behind APIServices are merged in', () => {
  const stale = { version: 'v1beta1', resources: [], freshness: 'Stale' as const }
  const metrics = { group: 'metrics.k8s.io', groupPriority: 100, versionPriority: 100, document: stale }
  let external = [metrics]
  const answer = discovery(kindRegistry(), { external: () => external })
  expect(get(answer, '/apis', v2).items.at(-1)).toEqual({
    metadata: { name: 'metrics.k8s.io', creationTimestamp: null },
    versions: [stale],
  })
  expect(get(answer, '/apis/metrics.k8s.io').preferredVersion.groupVersion).toBe('metrics.k8s.io/v1beta1')
  external = []
  expect(get(answer, '/apis', v2).items.at(-1).metadata.name).not.toBe('metrics.k8s.io')
})

test('priorities decide where the groups and versions of others stand', () => {
  const registry = kindRegistry()
  registry.add(widget('v1'))
  const version = (group: string, version: string, groupPriority: number, versionPriority: number) => ({
    group,
    groupPriority,
    versionPriority,
    document: { version, resources: [], freshness: 'Current' as const },
  })
  const external = [
    version('first.io', 'v1', 17_900, 10),
    version('last.io', 'v1', 100, 10),
    version('example.com', 'v2', 1000, 200),
    version('example.com', 'v3', 1000, 10),
  ]
  const answer = discovery(registry, { external: () => external })
  const { groups } = get(answer, '/apis')
  const names = groups.map(({ name }: { name: string }) => name)
  expect(names.slice(0, 3)).toEqual(['apiregistration.k8s.io', 'first.io', 'apps'])
  expect(names.slice(-2)).toEqual(['example.com', 'last.io'])
  expect(get(answer, '/apis/example.com')).toMatchObject({
    versions: [{ version: 'v2' }, { version: 'v1' }, { version: 'v3' }],
    preferredVersion: { groupVersion: 'example.com/v2' },
  })
  expect(names.slice(3, -2)).toEqual(
    get(discovery(kindRegistry()), '/apis')
      .groups.map(({ name }: { name: string }) => name)
      .slice(2),
  )
})

test('every preferred version is served', () => {
  const answer = discovery(kindRegistry())
  for (const { name, preferredVersion } of get(answer, '/apis').groups)
    expect(get(answer, `/apis/${name}/${preferredVersion.version}`).resources.length).toBeGreaterThan(0)
})

test('versions are ranked', () => {
  const versions = ['v1alpha1', 'v1', 'foo', 'v2beta1', 'v10', 'v1beta2', 'v2', 'bar']
  expect(versions.sort(compareVersions)).toEqual(['v10', 'v2', 'v1', 'v2beta1', 'v1beta2', 'v1alpha1', 'bar', 'foo'])
})
