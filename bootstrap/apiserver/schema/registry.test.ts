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

  describe('autoscalers', () => {
    const convert = convertOf('autoscaling', 'v1', 'HorizontalPodAutoscaler')
    const cpu = { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } }
    const annotation = 'autoscaling.alpha.kubernetes.io/'
    const described = { kind: 'Ingress', name: 'i' }
    const stored = (metrics: readonly unknown[], status: object) => ({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'h' },
      spec: { maxReplicas: 3, metrics: [{ type: 'Resource', resource: cpu }, ...metrics] },
      status,
    })

    test('the CPU target is a field of its own', () => {
      const served = convert.fromStored(stored([], { desiredReplicas: 1 }))
      expect(served.spec).toEqual({ maxReplicas: 3, targetCPUUtilizationPercentage: 80 })
      expect(served.metadata).toEqual({ name: 'h' })
      expect(convert.toStored(served)).toEqual(stored([], { desiredReplicas: 1 }))
    })

    test.each<[v2: object, v1: object]>([
      [
        { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } },
        { type: 'Resource', resource: { name: 'memory', targetAverageValue: '1Gi' } },
      ],
      [
        {
          type: 'Pods',
          pods: { metric: { name: 'q', selector: {} }, target: { type: 'AverageValue', averageValue: '5' } },
        },
        { type: 'Pods', pods: { metricName: 'q', selector: {}, targetAverageValue: '5' } },
      ],
      [
        {
          type: 'Object',
          object: { describedObject: described, metric: { name: 'q' }, target: { type: 'Value', value: '5' } },
        },
        { type: 'Object', object: { target: described, metricName: 'q', targetValue: '5' } },
      ],
      [
        { type: 'External', external: { metric: { name: 'q', selector: {} }, target: { type: 'Value', value: '5' } } },
        { type: 'External', external: { metricName: 'q', metricSelector: {}, targetValue: '5' } },
      ],
    ])('%j is an annotation', (v2, v1) => {
      const object = stored([v2], {})
      const served = convert.fromStored(object)
      expect(JSON.parse(served.metadata.annotations![`${annotation}metrics`]!)).toEqual([v1])
      expect(convert.toStored(served)).toEqual(object)
    })

    test('the status keeps all metrics', () => {
      const current = {
        type: 'Resource',
        resource: { name: 'cpu', current: { averageUtilization: 7, averageValue: '70m' } },
      }
      const object = stored([], { currentMetrics: [current], conditions: [{ type: 'AbleToScale', status: 'True' }] })
      const served = convert.fromStored(object)
      expect(served.status).toEqual({ currentCPUUtilizationPercentage: 7 })
      expect(convert.toStored(served)).toEqual(object)
    })

    test('an annotation that does not parse is ignored', () => {
      const broken = { ...stored([], {}), metadata: { name: 'h', annotations: { [`${annotation}metrics`]: '{' } } }
      expect(convert.toStored({ ...broken, spec: { maxReplicas: 1 } }).spec).toEqual({ maxReplicas: 1 })
    })
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
