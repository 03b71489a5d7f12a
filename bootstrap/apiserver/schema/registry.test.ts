import { describe, expect, test } from '@jest/globals'
import type { Kind } from '../kinds/kind.ts'
import { kindRegistry, schemaOf } from './registry.ts'

const widgets: Kind = {
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  listKind: 'WidgetList',
  resource: 'widgets',
  singular: 'widget',
  shortNames: [],
  categories: [],
  namespaced: true,
  verbs: ['get'],
  subresources: [],
  schema: { type: 'object' },
  strategy: {},
  storage: { group: 'example.com', resource: 'widgets', version: 'v1' },
  custom: true,
}

describe('kindRegistry', () => {
  test('finds built-in kinds by resource and by kind', () => {
    const registry = kindRegistry()
    const pods = registry.byResource('', 'v1', 'pods')
    expect(pods).toMatchObject({ kind: 'Pod', listKind: 'PodList', shortNames: ['po'], namespaced: true })
    expect(pods?.schema.name).toBe('io.k8s.api.core.v1.Pod')
    expect(registry.byKind('', 'v1', 'Pod')).toBe(pods)
    expect(registry.byResource('apps', 'v1beta1', 'deployments')).toBeUndefined()
  })

  test('asks for the strategy of each kind and marks reviews virtual', () => {
    const registry = kindRegistry((group, kind) => ({ fieldNames: [`${group}/${kind}`] }))
    expect(registry.byKind('apps', 'v1', 'Deployment')?.strategy).toEqual({ fieldNames: ['apps/Deployment'] })
    expect(registry.byKind('authentication.k8s.io', 'v1', 'TokenReview')?.strategy.virtual).toBe(true)
  })

  test.each([
    ['autoscaling', 'v1', 'Scale'],
    ['policy', 'v1', 'Eviction'],
    ['authentication.k8s.io', 'v1', 'TokenRequest'],
    ['', 'v1', 'Status'],
    ['apps', 'v1', 'DeleteOptions'],
  ])('knows the type %s/%s %s though no resource serves it', (group, version, kind) => {
    const registry = kindRegistry()
    expect(registry.byKind(group, version, kind)).toMatchObject({ resource: '', strategy: { virtual: true } })
    expect([...registry.all()].some(known => known.kind === kind)).toBe(false)
  })

  test('kinds come and go', () => {
    const registry = kindRegistry()
    const before = registry.revision
    let changes = 0
    const stop = registry.onChange(() => changes++)
    registry.add(widgets)
    expect(registry.byKind('example.com', 'v1', 'Widget')).toBe(widgets)
    registry.add({ ...widgets, kind: 'Renamed' })
    expect(registry.byKind('example.com', 'v1', 'Widget')).toBeUndefined()
    registry.remove('example.com', 'v1', 'widgets')
    expect(registry.byResource('example.com', 'v1', 'widgets')).toBeUndefined()
    expect(registry.revision).toBe(before + 3)
    expect(changes).toBe(3)
    stop()
    registry.add(widgets)
    expect(changes).toBe(3)
  })
})

describe('versions that share storage', () => {
  const convertOf = (group: string, version: string, kind: string) =>
    kindRegistry().byKind(group, version, kind)!.convert!

  test('events', () => {
    const convert = convertOf('events.k8s.io', 'v1', 'Event')
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: 'e' },
      regarding: { kind: 'Pod' },
      note: 'n',
      reason: 'R',
      deprecatedCount: 2,
    }
    const stored = convert.toStored(event)
    expect(stored).toEqual({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: { kind: 'Pod' },
      message: 'n',
      reason: 'R',
      count: 2,
    })
    expect(convert.fromStored(stored)).toEqual(event)
  })

  test('autoscalers', () => {
    const convert = convertOf('autoscaling', 'v1', 'HorizontalPodAutoscaler')
    const memory = {
      type: 'Resource',
      resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 5 } },
    }
    const stored = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'h' },
      spec: {
        maxReplicas: 3,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
          memory,
        ],
      },
      status: { desiredReplicas: 1 },
    }
    const served = convert.fromStored(stored)
    expect(served.spec).toEqual({ maxReplicas: 3, targetCPUUtilizationPercentage: 80 })
    expect(served.metadata.annotations).toEqual({ 'autoscaling.alpha.kubernetes.io/metrics': JSON.stringify([memory]) })
    expect(convert.toStored(served)).toEqual(stored)
  })
})

test('schemas carry what patches and apply need', () => {
  const container = schemaOf('io.k8s.api.core.v1.Container')
  expect(container.properties?.ports).toMatchObject({
    listType: 'map',
    listMapKeys: ['containerPort', 'protocol'],
    patchMergeKey: 'containerPort',
  })
  expect(container.properties?.ports?.items?.properties?.protocol?.default).toBe('TCP')
  const deployment = schemaOf('io.k8s.api.apps.v1.DeploymentSpec').properties?.strategy
  expect(deployment).toMatchObject({ type: 'object', patchStrategy: ['retainKeys'] })
  expect(deployment?.properties?.type).toEqual({ type: 'string', omitEmpty: true })
  expect(() => schemaOf('io.k8s.api.core.v1.Nothing')).toThrow(RangeError)
})
