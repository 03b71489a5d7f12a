/** HorizontalPodAutoscaler v1: one CPU target; what else v2 has travels as JSON in annotations (pkg/apis/autoscaling/v1). */
import type { KubeObject } from '../../api/object.ts'
import type { Conversion } from './convert.ts'

type Fields = { [field: string]: unknown }
type Side = 'target' | 'current'

const prefix = 'autoscaling.alpha.kubernetes.io/'
const names = { metrics: 'metrics', current: 'current-metrics', conditions: 'conditions', behavior: 'behavior' }
const all = new Set(Object.values(names).map(name => prefix + name))

export const autoscalers: Conversion = {
  toStored(object) {
    const { targetCPUUtilizationPercentage: target, ...spec } = fieldsOf(object.spec)
    const { currentCPUUtilizationPercentage: current, ...status } = fieldsOf(object.status)
    const cpu = (side: Side, value: unknown) => (value === undefined ? [] : [cpuMetric(side, value)])
    const metrics = [...cpu('target', target), ...metricsIn(object, names.metrics, 'target')]
    const annotated = metricsIn(object, names.current, 'current')
    const currentMetrics = annotated.length > 0 ? annotated : cpu('current', current)
    const conditions = annotation(object, names.conditions)
    const stored = defined({ ...status, currentMetrics: nonEmpty(currentMetrics), conditions })
    return {
      ...object,
      apiVersion: 'autoscaling/v2',
      metadata: withoutAnnotations(object.metadata),
      spec: defined({ ...spec, metrics: nonEmpty(metrics), behavior: annotation(object, names.behavior) }),
      ...(object.status === undefined && Object.keys(stored).length === 0 ? {} : { status: stored }),
    }
  },
  fromStored(object) {
    const { metrics, behavior, ...spec } = fieldsOf(object.spec)
    const { currentMetrics, conditions, ...status } = fieldsOf(object.status)
    const cpu = listOf(metrics).find(metric => cpuUtilization('target', metric) !== undefined)
    const others = listOf(metrics).filter(metric => metric !== cpu)
    const current = listOf(currentMetrics).map(metric => cpuUtilization('current', metric))
    const annotations = defined({
      [prefix + names.metrics]: json(nonEmpty(others.map(metric => metricToV1('target', metric)))),
      [prefix + names.current]: json(nonEmpty(listOf(currentMetrics).map(metric => metricToV1('current', metric)))),
      [prefix + names.conditions]: json(conditions),
      [prefix + names.behavior]: json(behavior),
    }) as { [name: string]: string }
    const target = cpu && cpuUtilization('target', cpu)
    const found = current.find(value => value !== undefined)
    return {
      ...object,
      apiVersion: 'autoscaling/v1',
      metadata: withAnnotations(object.metadata, annotations),
      spec: defined({ ...spec, targetCPUUtilizationPercentage: target }),
      ...(object.status === undefined
        ? {}
        : { status: defined({ ...status, currentCPUUtilizationPercentage: found }) }),
    }
  },
}

const cpuMetric = (side: Side, value: unknown): Fields => {
  const measured =
    side === 'target' ? { type: 'Utilization', averageUtilization: value } : { averageUtilization: value }
  return { type: 'Resource', resource: { name: 'cpu', [side]: measured } }
}

function cpuUtilization(side: Side, metric: Fields): unknown {
  const resource = fieldsOf(metric.resource)
  return resource.name === 'cpu' ? fieldsOf(resource[side]).averageUtilization : undefined
}

const sources = ['resource', 'containerResource', 'pods', 'object', 'external']

/** Each source of a metric passed through `to`. */
function mapSource(metric: Fields, to: (source: string, fields: Fields) => Fields): Fields {
  const entries = Object.entries(metric).map(([name, value]) => [
    name,
    sources.includes(name) ? defined(to(name, fieldsOf(value))) : value,
  ])
  return Object.fromEntries(entries)
}

/** v1's names of a value, e.g. "targetAverageValue"; an object's average has none of the side in its name. */
function valueNames(side: Side, source: string) {
  return {
    value: `${side}Value`,
    averageValue: source === 'object' ? 'averageValue' : `${side}AverageValue`,
    averageUtilization: `${side}AverageUtilization`,
    selector: source === 'external' ? 'metricSelector' : 'selector',
  }
}

function metricToV1(side: Side, metric: Fields): Fields {
  return mapSource(metric, (source, { metric: identity, describedObject, [side]: measured, ...rest }) => {
    const { value, averageValue, averageUtilization } = fieldsOf(measured)
    const { name, selector } = fieldsOf(identity)
    const to = valueNames(side, source)
    const values = {
      [to.value]: value,
      [to.averageValue]: averageValue,
      [to.averageUtilization]: averageUtilization,
    }
    return { ...rest, target: describedObject, metricName: name, [to.selector]: selector, ...values }
  })
}

function metricFromV1(side: Side, metric: Fields): Fields {
  return mapSource(metric, (source, fields) => {
    const from = valueNames(side, source)
    const { [from.value]: value, [from.averageValue]: averageValue, [from.averageUtilization]: utilization } = fields
    const { target, metricName, [from.selector]: selector, name, container } = fields
    const type = utilization !== undefined ? 'Utilization' : averageValue !== undefined ? 'AverageValue' : 'Value'
    const measured = defined({ value, averageValue, averageUtilization: utilization })
    return {
      name,
      container,
      describedObject: target,
      metric: metricName === undefined ? undefined : defined({ name: metricName, selector }),
      [side]: side === 'target' ? { type, ...measured } : measured,
    }
  })
}

function metricsIn(object: KubeObject, name: string, side: Side): Fields[] {
  return listOf(annotation(object, name)).map(metric => metricFromV1(side, metric))
}

/** An annotation's JSON. It is a user's text: what does not parse counts as absent. */
function annotation(object: KubeObject, name: string): unknown {
  const text = object.metadata.annotations?.[prefix + name]
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function withAnnotations(metadata: KubeObject['metadata'], more: { [name: string]: string }): KubeObject['metadata'] {
  if (Object.keys(more).length === 0) return metadata
  return { ...metadata, annotations: { ...metadata.annotations, ...more } }
}

function withoutAnnotations(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { annotations, ...rest } = metadata
  if (!annotations) return metadata
  const kept = Object.entries(annotations).filter(([name]) => !all.has(name))
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {})
const listOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : [])
const nonEmpty = <T>(items: readonly T[]) => (items.length === 0 ? undefined : items)
const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value))
const defined = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
