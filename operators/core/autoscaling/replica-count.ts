/** From usage to a number of replicas (upstream: pkg/controller/podautoscaler/replica_calculator.go). Values are in thousandths. */
import { parseQuantity } from '../../../bootstrap/api/quantity.ts'
import { parseTime } from '../../../bootstrap/api/time.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'
import { findCondition } from '../../runtime/conditions.ts'
import { isReady, isTerminating } from '../../runtime/pods.ts'
import type { PodMetrics } from './metrics-client.ts'
import type { AutoscalerSettings } from './settings.ts'

/** How far the ratio of usage to target may be from 1 without consequences. */
export interface Tolerances {
  readonly down: number
  readonly up: number
}

export interface Proposal {
  readonly replicas: number
  /** What is used, for the status: per pod, or in all. */
  readonly usage: number
  /** Percent of what was requested; only where that is the target. */
  readonly utilization?: number
}

export interface PodsAsked {
  readonly pods: readonly Pod[]
  readonly metrics: PodMetrics
  readonly currentReplicas: number
  readonly tolerances: Tolerances
  /** "cpu", "memory", ...; empty for a custom metric. */
  readonly resource: string
  readonly settings: Pick<AutoscalerSettings, 'cpuInitializationMs' | 'initialReadinessMs'>
  readonly now: number
}

export const maxInt32 = 2_147_483_647

const within = (ratio: number, { down, up }: Tolerances) => 1 - down <= ratio && ratio <= 1 + up
/** A ratio that cannot be had, as 0/0, asks for nothing. */
const ceiled = (value: number) => Math.min(maxInt32, Math.ceil(Number.isNaN(value) ? 0 : value))

/** For a target in percent of the pods' requests. */
export function byUtilization(asked: PodsAsked, target: number, container: string): Proposal {
  const groups = grouped(asked)
  const requests = requestsOf(asked.pods, container, asked.resource)
  const ratioOf = (metrics: PodMetrics) => utilizationRatio(metrics, requests, target)
  const measured = ratioOf(groups.counted)
  const missing = (pod: string) => Math.trunc(((requests.get(pod) ?? 0) * Math.max(100, target)) / 100)
  const replicas = proposed(asked, groups, measured.ratio, metrics => ratioOf(metrics).ratio, missing)
  return { replicas, usage: measured.usage, utilization: measured.utilization }
}

/** For a target in usage per pod. */
export function byAverage(asked: PodsAsked, target: number): Proposal {
  const groups = grouped(asked)
  const usageOf = (metrics: PodMetrics) => Math.trunc(total(metrics) / metrics.size)
  const usage = usageOf(groups.counted)
  const replicas = proposed(
    asked,
    groups,
    usage / target,
    metrics => usageOf(metrics) / target,
    () => target,
  )
  return { replicas, usage }
}

/** For one value and a target for all pods together; at zero replicas the ratio itself is what is wanted. */
export function byValue(
  asked: { pods: readonly Pod[]; currentReplicas: number; tolerances: Tolerances },
  usage: number,
  target: number,
): Proposal {
  const { pods, currentReplicas, tolerances } = asked
  const ratio = usage / target
  if (currentReplicas === 0) return { replicas: ceiled(ratio), usage }
  if (within(ratio, tolerances)) return { replicas: currentReplicas, usage }
  if (pods.length === 0) throw new Error(`unable to calculate ready pods: ${noPods}`)
  const ready = pods.filter(pod => pod.status?.phase === 'Running' && isReady(pod)).length
  return { replicas: ceiled(ratio * ready), usage }
}

/** For one value and a target for each pod. */
export function byValuePerPod(
  asked: { statusReplicas: number; tolerances: Tolerances },
  usage: number,
  target: number,
): Proposal {
  const { statusReplicas, tolerances } = asked
  const ratio = usage / (target * statusReplicas)
  const replicas = within(ratio, tolerances) ? statusReplicas : ceiled(usage / target)
  return { replicas, usage: Math.ceil(usage / statusReplicas) }
}

interface Groups {
  readonly ready: number
  readonly unready: ReadonlySet<string>
  readonly missing: ReadonlySet<string>
  /** Metrics of the pods that count. */
  readonly counted: PodMetrics
}

const noPods = 'no pods returned by selector while calculating replica count'

function grouped(asked: PodsAsked): Groups {
  if (asked.pods.length === 0) throw new Error(noPods)
  const counted = new Map(asked.metrics)
  const unready = new Set<string>()
  const missing = new Set<string>()
  let ready = 0
  for (const pod of asked.pods) {
    const name = pod.metadata.name ?? ''
    const { phase } = pod.status ?? {}
    if (isTerminating(pod) || phase === 'Failed') counted.delete(name)
    else if (phase === 'Pending' || phase === undefined) unready.add(name)
    else if (!asked.metrics.has(name)) missing.add(name)
    else if (asked.resource === 'cpu' && isUnready(pod, asked)) unready.add(name)
    else ready++
  }
  for (const name of unready) counted.delete(name)
  if (counted.size === 0) throw new Error('did not receive metrics for targeted pods (pods might be unready)')
  return { ready, unready, missing, counted }
}

/** Whether a pod's CPU sample says nothing yet. */
function isUnready(pod: Pod, { metrics, settings, now }: PodsAsked): boolean {
  const condition = findCondition(pod.status?.conditions, 'Ready')
  const startedAt = parseTime(pod.status?.startTime)
  if (!condition || startedAt === undefined) return true
  const changedAt = parseTime(condition.lastTransitionTime) ?? 0
  if (startedAt + settings.cpuInitializationMs > now) {
    const { time, windowMs } = metrics.get(pod.metadata.name ?? '')!
    return condition.status === 'False' || time < changedAt + windowMs
  }
  return condition.status === 'False' && startedAt + settings.initialReadinessMs > changedAt
}

/** The number of replicas, with pods that cannot be counted taken for the worse of two cases. */
function proposed(
  { currentReplicas, tolerances }: PodsAsked,
  { ready, unready, missing, counted }: Groups,
  ratio: number,
  ratioOf: (metrics: PodMetrics) => number,
  whenMissing: (pod: string) => number,
): number {
  const upWithUnready = unready.size > 0 && ratio > 1
  if (!upWithUnready && missing.size === 0) return within(ratio, tolerances) ? currentReplicas : ceiled(ratio * ready)
  const metrics = new Map(counted)
  const assume = (pod: string, value: number) => metrics.set(pod, { value, time: 0, windowMs: 0 })
  for (const pod of missing) {
    if (ratio < 1) assume(pod, whenMissing(pod))
    else if (ratio > 1) assume(pod, 0)
  }
  if (upWithUnready) for (const pod of unready) assume(pod, 0)
  const again = ratioOf(metrics)
  const turned = (ratio < 1 && again > 1) || (ratio > 1 && again < 1)
  if (within(again, tolerances) || turned) return currentReplicas
  const replicas = ceiled(again * metrics.size)
  const wrongWay = (again < 1 && replicas > currentReplicas) || (again > 1 && replicas < currentReplicas)
  return wrongWay ? currentReplicas : replicas
}

const total = (metrics: PodMetrics) => [...metrics.values()].reduce((sum, { value }) => sum + value, 0)

function utilizationRatio(metrics: PodMetrics, requests: ReadonlyMap<string, number>, target: number) {
  const known = [...metrics].filter(([pod]) => requests.has(pod))
  const used = known.reduce((sum, [, { value }]) => sum + value, 0)
  const requested = known.reduce((sum, [pod]) => sum + requests.get(pod)!, 0)
  if (requested === 0) throw new Error('no metrics returned matched known pods')
  const utilization = Math.trunc((used * 100) / requested)
  return { ratio: utilization / target, utilization, usage: Math.trunc(used / known.length) }
}

/** What each pod requests, of one container or of all. Throws where somebody requests nothing. */
function requestsOf(pods: readonly Pod[], container: string, resource: string): Map<string, number> {
  return new Map(pods.map(pod => [pod.metadata.name ?? '', requestOf(pod, container, resource)]))
}

function requestOf({ metadata, spec }: Pod, container: string, resource: string): number {
  const whole = (spec as { resources?: { requests?: { readonly [name: string]: string } } }).resources?.requests
  if (container === '' && whole && Object.keys(whole).length > 0) {
    const amount = whole[resource]
    if (amount === undefined) throw new Error(`missing pod-level request for ${resource} in Pod ${metadata.name}`)
    return parseQuantity(amount).milliValue()
  }
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  const all = [...spec.containers, ...sidecars]
  const counted = container === '' ? all : all.filter(({ name }) => name === container)
  if (counted.length === 0) throw new Error(`container ${container} not found in Pod ${metadata.name}`)
  return counted.reduce((sum, { name, resources }) => {
    const amount = (resources?.requests as { readonly [name: string]: string } | undefined)?.[resource]
    if (amount === undefined)
      throw new Error(`missing request for ${resource} in container ${name} of Pod ${metadata.name}`)
    return sum + parseQuantity(amount).milliValue()
  }, 0)
}
