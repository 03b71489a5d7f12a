/** The Targets cell of an autoscaler: "cpu: 10%/80%, 5/10 (avg)". */
import type {
  V2MetricSpec as MetricSpec,
  V2MetricStatus as MetricStatus,
  V2MetricTarget as MetricTarget,
  V2MetricValueStatus as MetricValue,
} from '../../../api/types.gen.ts'

const shown = 2
const unknown = '<unknown>'

/** Wanted over measured for the first metrics, in the order of the spec. */
export function targetsText(metrics: readonly MetricSpec[], measured: readonly MetricStatus[]): string {
  if (metrics.length === 0) return '<none>'
  const texts = metrics.slice(0, shown).map((metric, index) => metricText(metric, measured[index]))
  const text = texts.join(', ')
  return metrics.length > shown ? `${text} + ${metrics.length - shown} more...` : text
}

function metricText(metric: MetricSpec, status: MetricStatus | undefined): string {
  switch (metric.type) {
    case 'Resource':
      return resourceText(metric.resource, status?.resource?.current)
    case 'ContainerResource':
      return resourceText(metric.containerResource, status?.containerResource?.current)
    case 'Pods':
      return `${status?.pods?.current?.averageValue ?? unknown}/${metric.pods?.target.averageValue}`
    case 'Object':
      return valueText(metric.object?.target, status?.object?.current)
    case 'External':
      return valueText(metric.external?.target, status?.external?.current)
    default:
      return '<unknown type>'
  }
}

function resourceText(
  source: { name: string; target: MetricTarget } | undefined,
  current: MetricValue | undefined,
): string {
  const { averageValue, averageUtilization } = source?.target ?? {}
  if (averageValue !== undefined) return `${source?.name}: ${current?.averageValue ?? unknown}/${averageValue}`
  const measured = typeof current?.averageUtilization === 'number' ? `${current.averageUtilization}%` : unknown
  return `${source?.name}: ${measured}/${typeof averageUtilization === 'number' ? `${averageUtilization}%` : '<auto>'}`
}

function valueText(target: MetricTarget | undefined, current: MetricValue | undefined): string {
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`
  return `${current?.value ?? unknown}/${target?.value}`
}
