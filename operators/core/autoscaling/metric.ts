/** One metric of an autoscaler: what it proposes and what its status says. */
import { parseQuantity, Quantity } from '../../../bootstrap/api/quantity.ts'
import { formatLabelSelector } from '../../../bootstrap/api/selectors.ts'
import type {
  V2MetricSpec as MetricSpec,
  V2MetricStatus as MetricStatus,
  V2MetricTarget as MetricTarget,
  V2MetricValueStatus as ValueStatus,
} from '../../../bootstrap/api/types.gen.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { externalMetric, objectMetric, podMetrics, resourceMetrics } from './metrics-client.ts'
import { byAverage, byUtilization, byValue, byValuePerPod, type Proposal, type Tolerances } from './replica-count.ts'
import type { AutoscalerSettings } from './settings.ts'

export interface MetricContext {
  readonly client: Client
  readonly namespace: string
  /** Of the target's pods. */
  readonly selector: string
  readonly pods: readonly Pod[]
  readonly specReplicas: number
  readonly statusReplicas: number
  readonly tolerances: Tolerances
  readonly settings: AutoscalerSettings
  readonly now: () => number
}

export interface MetricResult {
  readonly replicas: number
  /** For the reason of a scaling: "cpu resource utilization (percentage of request)". */
  readonly name: string
  readonly status: MetricStatus
}

/** A metric that cannot be had; `reason` is that of the condition and the event. */
export class MetricError extends Error {
  readonly reason: string
  /** What the condition and the event say; the error's own message names the metric before it. */
  readonly cause_: string

  constructor(reason: string, cause: string, prefix: string) {
    super(`${prefix}: ${cause}`)
    this.reason = reason
    this.cause_ = cause
  }
}

/** Throws MetricError. */
export async function evaluate(metric: MetricSpec, context: MetricContext): Promise<MetricResult> {
  const failing = async (reason: string, prefix: string, work: () => Promise<MetricResult>) => {
    try {
      return await work()
    } catch (error) {
      throw new MetricError(reason, (error as Error).message, prefix)
    }
  }
  switch (metric.type) {
    case 'Resource': {
      const prefix = `failed to get ${metric.resource?.name} resource metric value`
      return failing('FailedGetResourceMetric', prefix, () => ofResource(metric, context))
    }
    case 'ContainerResource': {
      const prefix = `failed to get ${metric.containerResource?.container} container metric value`
      return failing('FailedGetContainerResourceMetric', prefix, () => ofResource(metric, context))
    }
    case 'Pods':
      return failing('FailedGetPodsMetric', 'failed to get pods metric value', () => ofPods(metric, context))
    case 'Object':
      return failing('FailedGetObjectMetric', 'failed to get object metric value', () => ofObject(metric, context))
    case 'External': {
      const prefix = `failed to get ${metric.external?.metric.name} external metric value`
      return failing('FailedGetExternalMetric', prefix, () => ofExternal(metric, context))
    }
    default:
      return failing('InvalidMetricSourceType', '', async () => {
        throw new Error(`unknown metric source type ${JSON.stringify(metric.type)}`)
      })
  }
}

const milliOf = (text: string | undefined) => (text === undefined ? undefined : parseQuantity(text).milliValue())
const quantityOf = (milli: number) => Quantity.ofMilli(milli).toString()

/** As metrics-server writes it: memory in bytes with binary suffixes. */
const resourceText = (resource: string, milli: number) =>
  Quantity.ofMilli(milli, resource === 'memory' ? 'BinarySI' : 'DecimalSI').toString()

async function ofResource(metric: MetricSpec, context: MetricContext): Promise<MetricResult> {
  const source = metric.containerResource ?? metric.resource!
  const container = metric.containerResource?.container ?? ''
  const { name: resource, target } = source
  const average = milliOf(target.averageValue)
  const utilization = target.averageUtilization
  if (average === undefined && utilization === undefined) {
    throw new Error(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    )
  }
  const what = average === undefined ? 'utilization' : 'usage'
  let proposal: Proposal
  try {
    const asked = await resourcePods(context, resource, container)
    proposal = average === undefined ? byUtilization(asked, utilization!, container) : byAverage(asked, average)
  } catch (error) {
    throw new Error(`failed to get ${resource} ${what}: ${(error as Error).message}`)
  }
  const current: ValueStatus = {
    ...(proposal.utilization === undefined ? {} : { averageUtilization: proposal.utilization }),
    averageValue: resourceText(resource, proposal.usage),
  }
  const kind = container === '' ? '' : 'container '
  const name =
    average === undefined ? `${resource} ${kind}resource utilization (percentage of request)` : `${resource} resource`
  const status: MetricStatus =
    container === ''
      ? { type: metric.type, resource: { name: resource, current } }
      : { type: metric.type, containerResource: { name: resource, container, current } }
  return { replicas: proposal.replicas, name, status }
}

async function resourcePods(context: MetricContext, resource: string, container: string) {
  const { client, namespace, selector } = context
  try {
    const metrics = await resourceMetrics(client, { namespace, selector, resource, container })
    return podsAsked(context, metrics, resource)
  } catch (error) {
    throw new Error(`unable to get metrics for resource ${resource}: ${(error as Error).message}`)
  }
}

function podsAsked(context: MetricContext, metrics: Awaited<ReturnType<typeof resourceMetrics>>, resource: string) {
  const { pods, specReplicas: currentReplicas, tolerances, settings } = context
  return { pods, metrics, currentReplicas, tolerances, resource, settings, now: context.now() }
}

async function ofPods(metric: MetricSpec, context: MetricContext): Promise<MetricResult> {
  const { metric: identifier, target } = metric.pods!
  const { client, namespace, selector } = context
  const metrics = await podMetrics(client, {
    namespace,
    selector,
    name: identifier.name,
    metricSelector: identifier.selector,
  }).catch((error: unknown) => {
    throw new Error(`unable to get metric ${identifier.name}: ${(error as Error).message}`)
  })
  const { replicas, usage } = byAverage(podsAsked(context, metrics, ''), milliOf(target.averageValue) ?? 0)
  const current = { averageValue: quantityOf(usage) }
  return {
    replicas,
    name: `pods metric ${identifier.name}`,
    status: { type: 'Pods', pods: { metric: identifier, current } },
  }
}

async function ofObject(metric: MetricSpec, context: MetricContext): Promise<MetricResult> {
  const { metric: identifier, target, describedObject } = metric.object!
  const { client, namespace } = context
  const { byEach, wanted } = targetOf(target, 'object')
  const asked = { namespace, object: describedObject, name: identifier.name, metricSelector: identifier.selector }
  const value = await objectMetric(client, asked).catch((error: unknown) => {
    const where = `${describedObject.kind} ${namespace}/${describedObject.name}`
    const text = `unable to get metric ${identifier.name}: ${where} on ${(error as Error).message}`
    throw new Error(byEach ? `failed to get ${identifier.name} object metric: ${text}` : text)
  })
  const { replicas, current } = proposalFor(context, value, wanted, byEach)
  const name = byEach
    ? `external metric ${identifier.name}(${selectorText(identifier.selector)})`
    : `${describedObject.kind} metric ${identifier.name}`
  return { replicas, name, status: { type: 'Object', object: { metric: identifier, describedObject, current } } }
}

async function ofExternal(metric: MetricSpec, context: MetricContext): Promise<MetricResult> {
  const { metric: identifier, target } = metric.external!
  const { client, namespace } = context
  const { byEach, wanted } = targetOf(target, 'external')
  const { name, selector } = identifier
  const values = await externalMetric(client, { namespace, name, selector }).catch((error: unknown) => {
    const text = `unable to get external metric ${namespace}/${name}/${selectorText(selector)}: ${(error as Error).message}`
    throw new Error(
      byEach ? `failed to get ${name} external metric: ${text}` : `failed to get external metric ${name}: ${text}`,
    )
  })
  const sum = values.reduce((total, value) => total + value, 0)
  const { replicas, current } = proposalFor(context, sum, wanted, byEach)
  return {
    replicas,
    name: `external metric ${name}(${selectorText(selector)})`,
    status: { type: 'External', external: { metric: identifier, current } },
  }
}

/** Go's way to print a selector that may be absent. */
const selectorText = (selector: Parameters<typeof formatLabelSelector>[0]) =>
  selector ? `&LabelSelector{${formatLabelSelector(selector)}}` : 'nil'

/** Whether each pod has its own share of the target. */
function targetOf(target: MetricTarget, source: string): { byEach: boolean; wanted: number } {
  const average = milliOf(target.averageValue)
  if (average !== undefined) return { byEach: true, wanted: average }
  const value = milliOf(target.value)
  if (value !== undefined) return { byEach: false, wanted: value }
  throw new Error(`invalid ${source} metric source: neither a value target nor an average value target was set`)
}

function proposalFor(context: MetricContext, value: number, wanted: number, byEach: boolean) {
  const { pods, specReplicas, statusReplicas, tolerances } = context
  if (byEach) {
    const { replicas, usage } = byValuePerPod({ statusReplicas, tolerances }, value, wanted)
    return { replicas, current: { averageValue: quantityOf(usage) } }
  }
  const { replicas, usage } = byValue({ pods, currentReplicas: specReplicas, tolerances }, value, wanted)
  return { replicas, current: { value: quantityOf(usage) } }
}
