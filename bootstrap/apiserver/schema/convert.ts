/** Conversions between served versions of one kind whose fields differ: HorizontalPodAutoscaler v1 and the two Events. */
import type { KubeObject } from '../../api/object.ts'

export interface Conversion {
  toStored(object: KubeObject): KubeObject
  fromStored(object: KubeObject): KubeObject
}

type Fields = { [field: string]: unknown }

/** The conversion of a served kind to and from its stored version; undefined where that is the same version. */
export function conversionOf(group: string, version: string, kind: string): Conversion | undefined {
  if (group === 'events.k8s.io' && kind === 'Event') return events
  if (group === 'autoscaling' && version === 'v1' && kind === 'HorizontalPodAutoscaler') return autoscalers
  return undefined
}

/** Field of events.k8s.io/v1 and what core/v1 calls it. */
const eventFields = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const

function renamed(object: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const entries = Object.entries(object).map(([name, value]) => [names.get(name) ?? name, value])
  return { ...Object.fromEntries(entries), apiVersion } as KubeObject
}

const toCore = new Map<string, string>(eventFields)
const fromCore = new Map<string, string>(eventFields.map(([events, core]) => [core, events]))

const events: Conversion = {
  toStored: object => renamed(object, 'v1', toCore),
  fromStored: object => renamed(object, 'events.k8s.io/v1', fromCore),
}

const prefix = 'autoscaling.alpha.kubernetes.io/'

/** v1 knows one CPU target; the rest of v2 travels as JSON in annotations. */
const autoscalers: Conversion = {
  toStored(object) {
    const spec = { ...(object.spec as Fields | undefined) }
    const status = { ...(object.status as Fields | undefined) }
    const { metrics, behavior, 'current-metrics': currentMetrics, conditions } = annotated(object)
    const target = take(spec, 'targetCPUUtilizationPercentage')
    const current = take(status, 'currentCPUUtilizationPercentage')
    const cpuTarget = cpuMetric({ target: { type: 'Utilization', averageUtilization: target } })
    const cpuCurrent = cpuMetric({ current: { averageUtilization: current } })
    const specMetrics = [...(target === undefined ? [] : [cpuTarget]), ...list(metrics)]
    const statusMetrics = [...(current === undefined ? [] : [cpuCurrent]), ...list(currentMetrics)]
    return {
      ...object,
      apiVersion: 'autoscaling/v2',
      metadata: withoutAnnotations(object.metadata),
      spec: defined({ ...spec, metrics: nonEmpty(specMetrics), behavior }),
      ...(object.status === undefined && statusMetrics.length === 0 && conditions === undefined
        ? {}
        : { status: defined({ ...status, currentMetrics: nonEmpty(statusMetrics), conditions }) }),
    }
  },
  fromStored(object) {
    const spec = { ...(object.spec as Fields | undefined) }
    const status = { ...(object.status as Fields | undefined) }
    const [target, metrics] = splitCpu(list(take(spec, 'metrics')), 'target')
    const [current, currentMetrics] = splitCpu(list(take(status, 'currentMetrics')), 'current')
    const annotations = defined({
      [`${prefix}metrics`]: json(nonEmpty(metrics)),
      [`${prefix}current-metrics`]: json(nonEmpty(currentMetrics)),
      [`${prefix}conditions`]: json(take(status, 'conditions')),
      [`${prefix}behavior`]: json(take(spec, 'behavior')),
    }) as { [name: string]: string }
    const all = { ...object.metadata.annotations, ...annotations }
    return {
      ...object,
      apiVersion: 'autoscaling/v1',
      metadata: Object.keys(all).length === 0 ? object.metadata : { ...object.metadata, annotations: all },
      spec: defined({ ...spec, targetCPUUtilizationPercentage: target }),
      ...(object.status === undefined
        ? {}
        : { status: defined({ ...status, currentCPUUtilizationPercentage: current }) }),
    }
  },
}

const annotationNames = ['metrics', 'behavior', 'current-metrics', 'conditions'] as const

function annotated(object: KubeObject): { [name in (typeof annotationNames)[number]]?: unknown } {
  return Object.fromEntries(
    annotationNames.map(name => [name, parsed(object.metadata.annotations?.[`${prefix}${name}`])]),
  )
}

function withoutAnnotations(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { annotations, ...rest } = metadata
  if (!annotations) return metadata
  const names = new Set<string>(annotationNames.map(name => `${prefix}${name}`))
  const kept = Object.entries(annotations).filter(([name]) => !names.has(name))
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) }
}

/** Annotations are a user's text: what does not parse counts as absent, as upstream has it. */
function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function splitCpu(metrics: readonly unknown[], part: 'target' | 'current'): [number | undefined, unknown[]] {
  const utilization = (metric: unknown) => {
    const resource = (metric as { resource?: { name?: string } & { [part: string]: Fields } }).resource
    return resource?.name === 'cpu' ? (resource[part]?.averageUtilization as number | undefined) : undefined
  }
  const at = metrics.findIndex(metric => utilization(metric) !== undefined)
  return at < 0 ? [undefined, [...metrics]] : [utilization(metrics[at]), metrics.filter((_, index) => index !== at)]
}

const cpuMetric = (value: Fields) => ({ type: 'Resource', resource: { name: 'cpu', ...value } })
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const nonEmpty = <T>(items: readonly T[]) => (items.length === 0 ? undefined : items)
const json = (value: unknown) => (value === undefined ? undefined : JSON.stringify(value))
const defined = (fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function take(fields: Fields, name: string): unknown {
  const value = fields[name]
  delete fields[name]
  return value
}
