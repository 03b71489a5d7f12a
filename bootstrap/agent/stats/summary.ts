/** /stats/summary and /metrics/resource: what the node and its containers use, from CRI, cgroups and /proc. */
import { readFile, statfs } from 'node:fs/promises'
import { rfc3339 } from '../../api/time.ts'
import type { Clock } from '../../client/clock.ts'
import { podLabel } from '../pods/identity.ts'
import type { PodManager } from '../pods/manager.ts'
import type { ContainerStats, Runtime } from '../runtime.ts'

export interface StatsDeps {
  readonly manager: PodManager
  readonly runtimes: readonly Runtime[]
  readonly clock: Clock
  readonly nodeName: string
  /** ms since the epoch */
  readonly startedAt: number
  readonly kubeletDir: string
}

const helpTexts: { readonly [metric: string]: string } = {
  container_cpu_usage_seconds_total: 'Processor time the container has used, in core seconds',
  container_memory_working_set_bytes: 'Working set of the container, in bytes',
  container_start_time_seconds: 'When the container started, in seconds since the epoch',
  node_cpu_usage_seconds_total: 'Processor time the node has used, in core seconds',
  node_memory_working_set_bytes: 'Working set of the node, in bytes',
  pod_cpu_usage_seconds_total: 'Processor time the pod has used, in core seconds',
  pod_memory_working_set_bytes: 'Working set of the pod, in bytes',
}

interface CpuSample {
  readonly time: number
  readonly usageNanos: number
}

interface PodKey {
  readonly name: string
  readonly namespace: string
  readonly uid: string
}

export class Stats {
  readonly #deps: StatsDeps
  readonly #samples = new Map<string, CpuSample>()

  constructor(deps: StatsDeps) {
    this.#deps = deps
  }

  /** kubelet's Summary API (stats/v1alpha1). */
  async summary(): Promise<object> {
    const { clock, nodeName, startedAt, kubeletDir } = this.#deps
    const now = clock.now()
    const time = rfc3339(now)
    const [containers, cpu, memory, network, disk] = await Promise.all([
      this.#containers(),
      nodeCpuNanos(),
      nodeMemory(),
      nodeNetwork(),
      statfs(kubeletDir),
    ])
    const pods = [...groupByPod(containers)].map(([, { key, stats }]) => {
      const list = stats.map(each => this.#containerSummary(each, time))
      return {
        podRef: key,
        startTime: this.#deps.manager.worker(key.uid)?.pod.status?.startTime ?? null,
        containers: list,
        cpu: {
          time,
          usageNanoCores: sum(list, each => each.cpu.usageNanoCores),
          usageCoreNanoSeconds: sum(list, each => each.cpu.usageCoreNanoSeconds),
        },
        memory: {
          time,
          usageBytes: sum(list, each => each.memory.usageBytes),
          workingSetBytes: sum(list, each => each.memory.workingSetBytes),
          rssBytes: sum(list, each => each.memory.rssBytes),
        },
      }
    })
    return {
      node: {
        nodeName,
        startTime: rfc3339(startedAt),
        cpu: { time, usageNanoCores: this.#rate('', { time: now, usageNanos: cpu }), usageCoreNanoSeconds: cpu },
        memory: { time, ...memory },
        network: { time, ...network },
        fs: {
          time,
          availableBytes: disk.bavail * disk.bsize,
          capacityBytes: disk.blocks * disk.bsize,
          usedBytes: (disk.blocks - disk.bfree) * disk.bsize,
          inodesFree: disk.ffree,
          inodes: disk.files,
          inodesUsed: disk.files - disk.ffree,
        },
      },
      pods,
    }
  }

  /** Prometheus text with the metrics metrics-server reads. */
  async resourceMetrics(): Promise<string> {
    const { clock } = this.#deps
    const now = clock.now()
    const [containers, cpu, memory] = await Promise.all([this.#containers(), nodeCpuNanos(), nodeMemory()])
    const pods = groupByPod(containers)
    const lines: string[] = []
    const family = (name: string, type: string, samples: readonly (readonly [labels: string, value: number])[]) => {
      lines.push(`# HELP ${name} [STABLE] ${helpTexts[name] ?? ''}`, `# TYPE ${name} ${type}`)
      for (const [labels, value] of samples) lines.push(`${name}${labels} ${value} ${now}`)
    }
    const container = (value: (stats: ContainerStats) => number) =>
      [...pods.values()].flatMap(({ key, stats }) =>
        stats.map(
          each =>
            [
              `{container="${each.attributes?.metadata?.name}",namespace="${key.namespace}",pod="${key.name}"}`,
              value(each),
            ] as const,
        ),
      )
    const pod = (value: (stats: ContainerStats) => number) =>
      [...pods.values()].map(
        ({ key, stats }) => [`{namespace="${key.namespace}",pod="${key.name}"}`, sum(stats, value)] as const,
      )
    const seconds = (stats: ContainerStats) => (stats.cpu?.usageCoreNanoSeconds?.value ?? 0) / 1e9
    const workingSet = (stats: ContainerStats) => stats.memory?.workingSetBytes?.value ?? 0
    family('container_cpu_usage_seconds_total', 'counter', container(seconds))
    family('container_memory_working_set_bytes', 'gauge', container(workingSet))
    family(
      'container_start_time_seconds',
      'gauge',
      container(stats => this.#startedAt(stats) / 1000),
    )
    family('node_cpu_usage_seconds_total', 'counter', [['', cpu / 1e9]])
    family('node_memory_working_set_bytes', 'gauge', [['', memory.workingSetBytes]])
    family('pod_cpu_usage_seconds_total', 'counter', pod(seconds))
    family('pod_memory_working_set_bytes', 'gauge', pod(workingSet))
    lines.push(
      '# HELP resource_scrape_error [STABLE] 1 if the containers could not be measured, 0 otherwise',
      '# TYPE resource_scrape_error gauge',
      'resource_scrape_error 0',
    )
    return `${lines.join('\n')}\n`
  }

  async #containers(): Promise<readonly ContainerStats[]> {
    const lists = await Promise.all(this.#deps.runtimes.map(runtime => runtime.listContainerStats().catch(() => [])))
    return lists.flat().filter(({ attributes }) => attributes?.labels?.[podLabel.uid] !== undefined)
  }

  #startedAt(stats: ContainerStats): number {
    const uid = stats.attributes?.labels?.[podLabel.uid] ?? ''
    const seen = this.#deps.manager.worker(uid)?.view.containers.find(({ id }) => id === stats.attributes?.id)
    return (seen?.startedAt ?? 0) / 1e6
  }

  #containerSummary(stats: ContainerStats, time: string) {
    const usage = stats.cpu?.usageCoreNanoSeconds?.value ?? 0
    const sampledAt = (stats.cpu?.timestamp ?? 0) / 1e6
    const rate =
      stats.cpu?.usageNanoCores?.value ?? this.#rate(stats.attributes?.id ?? '', { time: sampledAt, usageNanos: usage })
    const { memory, writableLayer } = stats
    return {
      name: stats.attributes?.metadata?.name ?? '',
      startTime: rfc3339(this.#startedAt(stats)),
      cpu: { time, usageNanoCores: rate, usageCoreNanoSeconds: usage },
      memory: {
        time,
        usageBytes: memory?.usageBytes?.value ?? memory?.workingSetBytes?.value ?? 0,
        workingSetBytes: memory?.workingSetBytes?.value ?? 0,
        rssBytes: memory?.rssBytes?.value ?? 0,
        pageFaults: memory?.pageFaults?.value ?? 0,
        majorPageFaults: memory?.majorPageFaults?.value ?? 0,
      },
      rootfs: {
        time,
        usedBytes: writableLayer?.usedBytes?.value ?? 0,
        inodesUsed: writableLayer?.inodesUsed?.value ?? 0,
      },
    }
  }

  /** Nano cores since the sample before. */
  #rate(key: string, sample: CpuSample): number {
    const before = this.#samples.get(key)
    this.#samples.set(key, sample)
    if (!before || sample.time <= before.time) return 0
    return Math.max(0, Math.round(((sample.usageNanos - before.usageNanos) / (sample.time - before.time)) * 1000))
  }
}

const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0)

function groupByPod(containers: readonly ContainerStats[]): Map<string, { key: PodKey; stats: ContainerStats[] }> {
  const pods = new Map<string, { key: PodKey; stats: ContainerStats[] }>()
  for (const stats of containers) {
    const labels = stats.attributes?.labels ?? {}
    const key = {
      name: labels[podLabel.name] ?? '',
      namespace: labels[podLabel.namespace] ?? '',
      uid: labels[podLabel.uid] ?? '',
    }
    const pod = pods.get(key.uid) ?? { key, stats: [] }
    pods.set(key.uid, pod)
    pod.stats.push(stats)
  }
  return pods
}

const nanosPerTick = 1e7

/** Busy time of all cores, from /proc/stat. */
async function nodeCpuNanos(): Promise<number> {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (await readFile('/proc/stat', 'utf8'))
    .split('\n')[0]!
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) * nanosPerTick
}

async function nodeMemory() {
  const text = await readFile('/proc/meminfo', 'utf8')
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024
  const total = bytes('MemTotal')
  const available = bytes('MemAvailable')
  const inactive = bytes('Inactive\\(file\\)')
  const usageBytes = total - bytes('MemFree')
  return {
    availableBytes: available,
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - inactive),
    rssBytes: bytes('AnonPages'),
  }
}

/** Bytes and errors of the interface that holds the default route. */
async function nodeNetwork() {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '')
  const name = routes
    .split('\n')
    .map(line => line.split('\t'))
    .find(([, destination]) => destination === '00000000')?.[0]
  const lines = (await readFile('/proc/net/dev', 'utf8')).split('\n')
  const fields =
    lines
      .find(line => line.trim().startsWith(`${name}:`))
      ?.split(':')[1]
      ?.trim()
      .split(/\s+/)
      .map(Number) ?? []
  return {
    name: name ?? '',
    rxBytes: fields[0] ?? 0,
    rxErrors: fields[2] ?? 0,
    txBytes: fields[8] ?? 0,
    txErrors: fields[10] ?? 0,
  }
}
