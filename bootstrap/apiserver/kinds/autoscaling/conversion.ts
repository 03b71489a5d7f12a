/**
 * autoscaling/v1 knows one cpu target; everything else of v2 travels in annotations, in the shape upstream writes there
 * (pkg/apis/autoscaling/v1/conversion.go).
 */
import type { KubeObject } from '../../../api/object.ts'

interface Fields {
  readonly [field: string]: unknown
}

const prefix = 'autoscaling.alpha.kubernetes.io/'
const annotations = ['metrics', 'current-metrics', 'conditions', 'behavior'].map(name => prefix + name)

const fieldsOf = (value: unknown): Fields => (value ?? {}) as Fields
const listOf = (value: unknown): readonly Fields[] => (value ?? []) as readonly Fields[]

/** Old and new places of a metric's parts, per source; specs and statuses differ by the words for wanted and measured. */
const layouts: { readonly [source: string]: (wanted: string) => readonly (readonly [old: string, path: string])[] } = {
  resource: word => [
    ['name', 'name'],
    [`${word}AverageUtilization`, 'V.averageUtilization'],
    [`${word}AverageValue`, 'V.averageValue'],
  ],
  containerResource: word => [
    ['name', 'name'],
    ['container', 'container'],
    [`${word}AverageUtilization`, 'V.averageUtilization'],
    [`${word}AverageValue`, 'V.averageValue'],
  ],
  pods: word => [
    ['metricName', 'metric.name'],
    ['selector', 'metric.selector'],
    [`${word}AverageValue`, 'V.averageValue'],
  ],
  object: word => [
    ['target', 'describedObject'],
    ['metricName', 'metric.name'],
    ['selector', 'metric.selector'],
    [`${word}Value`, 'V.value'],
    ['averageValue', 'V.averageValue'],
  ],
  external: word => [
    ['metricName', 'metric.name'],
    ['metricSelector', 'metric.selector'],
    [`${word}Value`, 'V.value'],
    [`${word}AverageValue`, 'V.averageValue'],
  ],
}

type Word = 'target' | 'current'

function places(source: string, word: Word): readonly (readonly [string, string[]])[] {
  return (layouts[source]?.(word) ?? []).map(([old, path]) => [old, path.replace('V', word).split('.')])
}

function oldMetric(metric: Fields, word: Word): Fields {
  const result: { [field: string]: unknown } = { type: metric.type }
  for (const source of Object.keys(layouts)) {
    if (!metric[source]) continue
    const parts: { [field: string]: unknown } = {}
    for (const [old, path] of places(source, word)) {
      const value = path.reduce<unknown>((at, name) => fieldsOf(at)[name], metric[source])
      if (value !== undefined) parts[old] = value
    }
    result[source] = parts
  }
  return result
}

function newMetric(metric: Fields, word: Word): Fields {
  const result: { [field: string]: unknown } = { type: metric.type }
  for (const source of Object.keys(layouts)) {
    if (!metric[source]) continue
    const parts: { [field: string]: unknown } = {}
    for (const [old, path] of places(source, word)) {
      const value = fieldsOf(metric[source])[old]
      if (value !== undefined) put(parts, path, value)
    }
    if (word === 'target') parts.target = { type: targetType(fieldsOf(parts.target)), ...fieldsOf(parts.target) }
    result[source] = parts
  }
  return result
}

function put(object: { [field: string]: unknown }, [first, ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) object[first!] = value
  else put((object[first!] ??= {}) as { [field: string]: unknown }, rest, value)
}

function targetType(target: Fields): string {
  if (target.averageUtilization !== undefined) return 'Utilization'
  return target.averageValue !== undefined ? 'AverageValue' : 'Value'
}

/** The cpu utilization metric is the one v1 has a field for. */
function isCpu(metric: Fields): boolean {
  const resource = fieldsOf(metric.resource)
  const value = fieldsOf(resource.target ?? resource.current)
  return metric.type === 'Resource' && resource.name === 'cpu' && value.averageUtilization !== undefined
}

function withAnnotations(object: KubeObject, values: { readonly [name: string]: unknown }): KubeObject['metadata'] {
  const kept = Object.entries(object.metadata.annotations ?? {}).filter(([name]) => !annotations.includes(name))
  const added = Object.entries(values)
    .filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value !== undefined))
    .map(([name, value]) => [prefix + name, JSON.stringify(value)] as const)
  const { annotations: _old, ...metadata } = object.metadata
  const all = Object.fromEntries([...kept, ...added])
  return Object.keys(all).length === 0 ? metadata : { ...metadata, annotations: all }
}

function toV1(object: KubeObject): KubeObject {
  const { metrics, behavior, ...spec } = fieldsOf(object.spec)
  const { currentMetrics, conditions, ...status } = fieldsOf(object.status)
  const cpu = listOf(metrics).find(isCpu)
  const cpuNow = listOf(currentMetrics).find(isCpu)
  const utilization = fieldsOf(fieldsOf(cpu?.resource).target).averageUtilization
  const utilizationNow = fieldsOf(fieldsOf(cpuNow?.resource).current).averageUtilization
  return {
    ...object,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(object, {
      metrics: listOf(metrics)
        .filter(metric => metric !== cpu)
        .map(metric => oldMetric(metric, 'target')),
      'current-metrics': listOf(currentMetrics).map(metric => oldMetric(metric, 'current')),
      conditions,
      behavior,
    }),
    spec: { ...spec, ...(cpu ? { targetCPUUtilizationPercentage: utilization } : {}) },
    status: {
      currentReplicas: 0,
      ...status,
      ...(cpuNow ? { currentCPUUtilizationPercentage: utilizationNow } : {}),
    },
  }
}

function annotationOf(object: KubeObject, name: string): unknown {
  try {
    const text = object.metadata.annotations?.[prefix + name]
    return text === undefined ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

function toV2(object: KubeObject): KubeObject {
  const { targetCPUUtilizationPercentage: utilization, ...spec } = fieldsOf(object.spec)
  const { currentCPUUtilizationPercentage: _now, ...status } = fieldsOf(object.status)
  const others = listOf(annotationOf(object, 'metrics')).map(metric => newMetric(metric, 'target'))
  const target = { type: 'Utilization', averageUtilization: utilization }
  const cpu = { type: 'Resource', resource: { name: 'cpu', target } }
  const metrics = typeof utilization === 'number' ? [cpu, ...others] : others
  const behavior = annotationOf(object, 'behavior')
  const measured = listOf(annotationOf(object, 'current-metrics')).map(metric => newMetric(metric, 'current'))
  const conditions = annotationOf(object, 'conditions')
  return {
    ...object,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(object, {}),
    spec: { ...spec, ...(metrics.length > 0 ? { metrics } : {}), ...(behavior ? { behavior } : {}) },
    ...(object.status
      ? {
          status: {
            ...status,
            currentMetrics: measured.length > 0 ? measured : null,
            ...(conditions ? { conditions } : {}),
          },
        }
      : {}),
  }
}

/** Between autoscaling/v1 and the stored v2. */
export const autoscalerConversion = { toStored: toV2, fromStored: toV1 }
