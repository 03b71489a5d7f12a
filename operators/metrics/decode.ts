/** Reads what a kubelet says at /metrics/resource, as far as metrics-server does. */

/** What a node or container had used at one moment. */
export interface Point {
  /** ms since the epoch */
  readonly time: number
  /** ms since the epoch; 0 where unknown. */
  readonly startedAt: number
  /** Since the start, in nano core seconds. */
  readonly cpuNanos: number
  /** Working set, in bytes. */
  readonly memoryBytes: number
}

export interface Batch {
  /** Undefined where the kubelet could not tell. */
  readonly node: Point | undefined
  /** Points by container, by "namespace/pod". */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Point>>
}

type Draft = { -readonly [field in keyof Point]: Point[field] }

const sample =
  /^(node_cpu_usage_seconds_total|node_memory_working_set_bytes|container_cpu_usage_seconds_total|container_memory_working_set_bytes|container_start_time_seconds)(?:\{([^}]*)\})? (\S+)(?: (-?\d+))?$/gm
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g

const empty = (): Draft => ({ time: 0, startedAt: 0, cpuNanos: 0, memoryBytes: 0 })

/** `now` is the time of samples that carry none. A pod one of whose containers is incomplete is left out. */
export function decode(text: string, now: number): Batch {
  const node = empty()
  const pods = new Map<string, Map<string, Draft>>()
  for (const [, name = '', labels = '', value = '', time] of text.matchAll(sample)) {
    const at = time === undefined ? now : Number(time)
    const point = name.startsWith('node_') ? node : containerOf(labels, pods)
    set(point, name, Number(value), at)
  }
  for (const [pod, containers] of pods) if ([...containers.values()].some(point => !isComplete(point))) pods.delete(pod)
  return { node: isComplete(node) ? node : undefined, pods }
}

function set(point: Draft, name: string, value: number, at: number): void {
  // The start's sample carries the time of the start's collection, not of the usage.
  if (name === 'container_start_time_seconds') point.startedAt = value * 1000
  else point.time = at
  if (name.endsWith('_cpu_usage_seconds_total')) point.cpuNanos = Math.floor(value * 1e9)
  if (name.endsWith('_memory_working_set_bytes')) point.memoryBytes = value
}

const isComplete = (point: Point) => point.time > 0 && point.cpuNanos > 0 && point.memoryBytes > 0

function containerOf(labels: string, pods: Map<string, Map<string, Draft>>): Draft {
  const values: { [name: string]: string } = {}
  for (const [, name = '', value = ''] of labels.matchAll(label)) values[name] = value
  const pod = `${values.namespace}/${values.pod}`
  const containers = pods.get(pod) ?? new Map<string, Draft>()
  pods.set(pod, containers)
  const point = containers.get(values.container ?? '') ?? empty()
  containers.set(values.container ?? '', point)
  return point
}
