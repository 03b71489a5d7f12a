/** metrics.k8s.io/v1beta1 as it goes over the wire: objects, lists and tables. */
import { Quantity } from '../../bootstrap/api/quantity.ts'
import { formatDuration, rfc3339 } from '../../bootstrap/api/time.ts'
import type { Usage } from './usage.ts'

export const groupVersion = 'metrics.k8s.io/v1beta1'

interface Amounts {
  readonly cpu: Quantity
  readonly memory: Quantity
}

interface Metadata {
  readonly name?: string | undefined
  readonly namespace?: string | undefined
  readonly labels?: { readonly [key: string]: string } | undefined
}

/** A node's or pod's metrics before they are written down. */
export interface Measured {
  readonly metadata: Metadata
  readonly time: number
  readonly windowMs: number
  /** Of the node itself, or by container. */
  readonly usage: Amounts | ReadonlyMap<string, Amounts>
}

export function amountsOf({ cpuNanos, memoryBytes }: Usage): Amounts {
  return { cpu: new Quantity(BigInt(cpuNanos)), memory: Quantity.of(memoryBytes, 'BinarySI') }
}

export const nothing: Amounts = { cpu: Quantity.zero, memory: Quantity.zero }

const isPerContainer = (usage: Measured['usage']): usage is ReadonlyMap<string, Amounts> => usage instanceof Map

const textsOf = ({ cpu, memory }: Amounts) => ({ cpu: cpu.toString(), memory: memory.toString() })

/** NodeMetrics or PodMetrics, without its type in a list. */
export function objectOf(measured: Measured, now: number, typed = true): object {
  const { usage } = measured
  const type = typed ? { kind: isPerContainer(usage) ? 'PodMetrics' : 'NodeMetrics', apiVersion: groupVersion } : {}
  const common = {
    ...type,
    metadata: metadataOf(measured, now),
    timestamp: rfc3339(measured.time),
    window: formatDuration(measured.windowMs),
  }
  if (!isPerContainer(usage)) return { ...common, usage: textsOf(usage) }
  return { ...common, containers: [...usage].map(([name, amounts]) => ({ name, usage: textsOf(amounts) })) }
}

function metadataOf({ metadata: { name, namespace, labels } }: Measured, now: number): object {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    creationTimestamp: rfc3339(now),
    ...(labels && Object.keys(labels).length > 0 ? { labels } : {}),
  }
}

export function listOf(kind: 'NodeMetrics' | 'PodMetrics', items: readonly Measured[], now: number): object {
  return {
    kind: `${kind}List`,
    apiVersion: groupVersion,
    metadata: {},
    items: items.map(item => objectOf(item, now, false)),
  }
}

const columns = [
  { name: 'Name', type: 'string', format: 'name', description: 'Name of the resource', priority: 0 },
  { name: 'cpu', type: 'string', format: 'quantity', description: '', priority: 0 },
  { name: 'memory', type: 'string', format: 'quantity', description: '', priority: 0 },
  { name: 'Window', type: 'string', format: 'duration', description: '', priority: 0 },
]

/** `include` is the request's includeObject: None, Metadata or Object. */
export function tableOf(items: readonly Measured[], now: number, include: string): object {
  const rows = items.map(item => {
    const { cpu, memory } = totalOf(item.usage)
    const cells = [item.metadata.name ?? '', cpu.toString(), memory.toString(), formatDuration(item.windowMs)]
    return include === 'None' ? { cells } : { cells, object: rowObject(item, now, include) }
  })
  const columnDefinitions = items.length === 0 ? [] : columns
  return { kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata: {}, columnDefinitions, rows }
}

function rowObject(item: Measured, now: number, include: string): object {
  if (include === 'Object') return objectOf(item, now)
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: metadataOf(item, now) }
}

function totalOf(usage: Measured['usage']): Amounts {
  if (!isPerContainer(usage)) return usage
  const sum = { cpu: Quantity.zero, memory: Quantity.zero }
  for (const { cpu, memory } of usage.values()) {
    sum.cpu = sum.cpu.add(cpu)
    sum.memory = sum.memory.add(memory)
  }
  return sum
}
