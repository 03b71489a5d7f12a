/** Quality of service, and the cgroup values that follow from requests and limits (kubelet/cm). */
import { parseQuantity } from '../../api/quantity.ts'
import type { Container, PodSpec, ResourceRequirements } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { LinuxResources } from '../runtime.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const cpuPeriodMicros = 100_000
const minimumShares = 2
const maximumShares = 262_144
const minimumQuota = 1000

/** Positive amounts of cpu and memory only. */
function positive(list: ResourceRequirements['requests'], name: string): number {
  const text = list?.[name]
  return text === undefined ? 0 : parseQuantity(text).toNumber()
}

/** The class by the containers' (or the pod's own) cpu and memory requests and limits. */
export function qosClassOf(spec: PodSpec): QosClass {
  const holders = spec.resources ? [spec] : [...(spec.initContainers ?? []), ...spec.containers]
  const amounts = (holder: { readonly resources?: ResourceRequirements | undefined }, name: string) => {
    const limit = positive(holder.resources?.limits, name)
    return { limit, request: positive(holder.resources?.requests, name) || limit }
  }
  const all = holders.flatMap(holder => ['cpu', 'memory'].map(name => amounts(holder, name)))
  if (all.every(({ limit, request }) => limit === 0 && request === 0)) return 'BestEffort'
  return all.every(({ limit, request }) => limit > 0 && limit === request) ? 'Guaranteed' : 'Burstable'
}

export function cpuShares(milliCpu: number): number {
  if (milliCpu === 0) return minimumShares
  return Math.min(maximumShares, Math.max(minimumShares, Math.floor((milliCpu * 1024) / 1000)))
}

/** Microseconds per period of 100 ms; 0 means unlimited. */
export function cpuQuota(milliCpu: number): number {
  return milliCpu === 0 ? 0 : Math.max(minimumQuota, Math.floor((milliCpu * cpuPeriodMicros) / 1000))
}

/** cgroup v2 cpu.weight for v1 shares (runc's conversion). */
export function cpuWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * 9999) / 262_142)
}

const milli = (list: ResourceRequirements['requests'], name: string): number =>
  list?.[name] === undefined ? 0 : parseQuantity(list[name]).milliValue()
const bytes = (list: ResourceRequirements['requests'], name: string): number =>
  list?.[name] === undefined ? 0 : parseQuantity(list[name]).value()

const guaranteedOomScore = -997
const bestEffortOomScore = 1000

/** oom_score_adj as kubelet's policy sets it: the more memory requested, the safer. */
export function oomScoreAdj(pod: Pod, container: Container, memoryCapacity: number): number {
  if ((pod.spec.priority ?? 0) >= 2_000_000_000) return guaranteedOomScore
  const qos = qosClassOf(pod.spec)
  if (qos === 'Guaranteed') return guaranteedOomScore
  if (qos === 'BestEffort') return bestEffortOomScore
  const request = bytes(container.resources?.requests, 'memory') || bytes(container.resources?.limits, 'memory')
  const score = Math.trunc(1000 - (1000 * request) / memoryCapacity)
  if (score < 1000 + guaranteedOomScore) return 1000 + guaranteedOomScore
  return score === bestEffortOomScore ? score - 1 : score
}

export interface NodeLimits {
  readonly memoryCapacity: number
  /** False where the cpu controller or CFS quotas are missing. */
  readonly cpuQuota: boolean
}

/** A container's own limits in CRI's form. */
export function containerResources(pod: Pod, container: Container, node: NodeLimits): LinuxResources {
  const { requests, limits } = container.resources ?? {}
  const requested = requests?.cpu === undefined ? milli(limits, 'cpu') : milli(requests, 'cpu')
  const hugepages = Object.keys(limits ?? {}).filter(name => name.startsWith('hugepages-'))
  const quota = node.cpuQuota ? cpuQuota(milli(limits, 'cpu')) : 0
  return {
    cpuShares: cpuShares(requested),
    ...(quota > 0 ? { cpuPeriod: cpuPeriodMicros, cpuQuota: quota } : {}),
    ...(bytes(limits, 'memory') > 0 ? { memoryLimitInBytes: bytes(limits, 'memory') } : {}),
    oomScoreAdj: oomScoreAdj(pod, container, node.memoryCapacity),
    ...(hugepages.length > 0
      ? { hugepageLimits: hugepages.map(name => ({ pageSize: hugepageSize(name), limit: bytes(limits, name) })) }
      : {}),
  }
}

/** "hugepages-2Mi" is "2MB" to runc. */
function hugepageSize(resource: string): string {
  return resource.slice('hugepages-'.length).replace(/i$/, 'B')
}

/** What the pod's own cgroup is limited to; absent values are not set. */
export interface PodCgroupLimits {
  readonly cpuShares: number
  readonly cpuQuota?: number
  readonly memoryLimit?: number
}

/** Sums over containers; a limit applies to the pod only when every container has one. */
export function podCgroupLimits(spec: PodSpec, node: NodeLimits): PodCgroupLimits {
  const total = podTotals(spec)
  return {
    cpuShares: cpuShares(total.requestedMilliCpu),
    ...(node.cpuQuota && total.milliCpuLimit !== undefined ? { cpuQuota: cpuQuota(total.milliCpuLimit) } : {}),
    ...(total.memoryLimit === undefined ? {} : { memoryLimit: total.memoryLimit }),
  }
}

interface Totals {
  readonly requestedMilliCpu: number
  readonly milliCpuLimit: number | undefined
  readonly memoryLimit: number | undefined
}

function podTotals(spec: PodSpec): Totals {
  const cpuRequest = (container: Container) =>
    milli(container.resources?.requests, 'cpu') || milli(container.resources?.limits, 'cpu')
  const pod = spec.resources
  const limit = (name: 'cpu' | 'memory', amount: typeof milli): number | undefined => {
    if (pod?.limits?.[name] !== undefined) return amount(pod.limits, name)
    const all = [...spec.containers, ...(spec.initContainers ?? [])]
    if (all.some(container => amount(container.resources?.limits, name) === 0)) return undefined
    return concurrent(spec, container => amount(container.resources?.limits, name))
  }
  return {
    requestedMilliCpu: pod?.requests?.cpu === undefined ? concurrent(spec, cpuRequest) : milli(pod.requests, 'cpu'),
    milliCpuLimit: limit('cpu', milli),
    memoryLimit: limit('memory', bytes),
  }
}

/** The most that is in use at once: sidecars run beside everything after them, other init containers one by one. */
function concurrent(spec: PodSpec, amount: (container: Container) => number): number {
  let sidecars = 0
  let initPeak = 0
  for (const container of spec.initContainers ?? []) {
    if (container.restartPolicy === 'Always') sidecars += amount(container)
    else initPeak = Math.max(initPeak, sidecars + amount(container))
  }
  const running = spec.containers.reduce((sum, container) => sum + amount(container), sidecars)
  return Math.max(running, initPeak)
}

/** The pod's cgroup below the hierarchy's root, e.g. "/kubepods/burstable/pod<uid>". */
export function podCgroup(pod: Pod): string {
  const parent = { Guaranteed: '', Burstable: '/burstable', BestEffort: '/besteffort' }[qosClassOf(pod.spec)]
  return `/kubepods${parent}/pod${pod.metadata.uid}`
}
