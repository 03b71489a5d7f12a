/** HorizontalPodAutoscaler, stored as autoscaling/v2. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type {
  V2HorizontalPodAutoscaler as Autoscaler,
  V2MetricSpec as MetricSpec,
  V2HPAScalingRules as ScalingRules,
} from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { oneOf, requiredText, supportedOrEmpty } from '../common/checks.ts'
import { fill } from '../common/defaulting.ts'
import { textErrors } from '../common/metadata.ts'
import { pathSegment } from '../common/names.ts'
import { countColumn } from '../common/workload-columns.ts'
import { targetsText } from './targets.ts'

const cpuMetric = {
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
}

function defaults({ spec }: Draft<Autoscaler>): void {
  if (!spec) return
  fill(spec, { minReplicas: 1 })
  if (!spec.metrics?.length) spec.metrics = [structuredClone(cpuMetric)]
  const { behavior } = spec
  if (!behavior) return
  behavior.scaleUp ??= {}
  fill(behavior.scaleUp, { stabilizationWindowSeconds: 0, selectPolicy: 'Max' })
  behavior.scaleUp.policies ??= [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ]
  behavior.scaleDown ??= {}
  fill(behavior.scaleDown, { selectPolicy: 'Max' })
  behavior.scaleDown.policies ??= [{ type: 'Percent', value: 100, periodSeconds: 15 }]
}

function* validate({ spec }: Autoscaler): Errors {
  if (!spec) return
  const { minReplicas, maxReplicas = 0 } = spec
  if (typeof minReplicas === 'number' && minReplicas < 1) {
    yield field.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1')
  }
  if (maxReplicas < 1) yield field.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0')
  if (typeof minReplicas === 'number' && maxReplicas < minReplicas) {
    yield field.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`')
  }
  for (const name of ['kind', 'name'] as const) {
    const path = `spec.scaleTargetRef.${name}`
    const value = spec.scaleTargetRef?.[name]
    if (!value) yield field.required(path)
    else yield* textErrors(pathSegment, value, path)
  }
  for (const [index, metric] of (spec.metrics ?? []).entries()) yield* metricErrors(metric, `spec.metrics[${index}]`)
  yield* rulesErrors(spec.behavior?.scaleUp, 'spec.behavior.scaleUp')
  yield* rulesErrors(spec.behavior?.scaleDown, 'spec.behavior.scaleDown')
}

const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'] as const
const sourceOf = (type: string) => (type.charAt(0).toLowerCase() + type.slice(1)) as Exclude<keyof MetricSpec, 'type'>

function* metricErrors(metric: MetricSpec, path: string): Errors {
  yield* oneOf(metric.type, `${path}.type`, metricTypes)
  if (!metricTypes.includes(metric.type as (typeof metricTypes)[number])) return
  const name = sourceOf(metric.type)
  const source = metric[name]
  if (!source) {
    return yield field.required(`${path}.${name}`, `must populate information for the given metric source`)
  }
  for (const other of metricTypes.map(sourceOf)) {
    if (other !== name && metric[other]) {
      yield field.forbidden(`${path}.${other}`, 'must populate the given metric source only')
    }
  }
  yield* oneOf(source.target?.type, `${path}.${name}.target.type`, ['Utilization', 'Value', 'AverageValue'])
  if ('name' in source) yield* requiredText(source.name, `${path}.${name}.name`, 'must specify a resource name')
  if ('metric' in source) {
    yield* requiredText(source.metric?.name, `${path}.${name}.metric.name`, 'must specify a metric name')
  }
  const utilization = source.target?.averageUtilization
  if (typeof utilization === 'number' && utilization < 1) {
    yield field.invalid(`${path}.${name}.target.averageUtilization`, utilization, 'must be greater than 0')
  }
}

const maxWindow = 3600
const maxPeriod = 1800

function* rulesErrors(rules: ScalingRules | undefined, path: string): Errors {
  if (!rules) return
  const window = rules.stabilizationWindowSeconds ?? 0
  if (window < 0)
    yield field.invalid(`${path}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero')
  if (window > maxWindow) {
    yield field.invalid(`${path}.stabilizationWindowSeconds`, window, `must be less than or equal to ${maxWindow}`)
  }
  yield* supportedOrEmpty(rules.selectPolicy, `${path}.selectPolicy`, ['Disabled', 'Max', 'Min'])
  if (!rules.policies?.length) yield field.required(`${path}.policies`, 'must specify at least one Policy')
  for (const [index, policy] of (rules.policies ?? []).entries()) {
    const at = `${path}.policies[${index}]`
    yield* oneOf(policy.type, `${at}.type`, ['Percent', 'Pods'])
    if (policy.value <= 0) yield field.invalid(`${at}.value`, policy.value, 'must be greater than zero')
    if (policy.periodSeconds <= 0) {
      yield field.invalid(`${at}.periodSeconds`, policy.periodSeconds, 'must be greater than zero')
    }
    if (policy.periodSeconds > maxPeriod) {
      yield field.invalid(`${at}.periodSeconds`, policy.periodSeconds, `must be less than or equal to ${maxPeriod}`)
    }
  }
}

export const horizontalPodAutoscaler = strategy<Autoscaler>({
  defaults,
  status: { desiredReplicas: 0, currentMetrics: null },
  validate,
  columns: [
    nameColumn,
    column('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`),
    column('Targets', object => targetsText(object.spec?.metrics ?? [], object.status?.currentMetrics ?? [])),
    column('MinPods', object => String(object.spec?.minReplicas ?? '<unset>')),
    countColumn('MaxPods', object => object.spec?.maxReplicas),
    countColumn('Replicas', object => object.status?.currentReplicas),
    ageColumn,
  ],
})
