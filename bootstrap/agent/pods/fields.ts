/** Values a container can read about its own pod: fieldRef and resourceFieldRef (downward API). */
import { parseQuantity, Quantity } from '../../api/quantity.ts'
import type { Container, ResourceFieldSelector } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'

/** What status fields resolve to while the pod is being started. */
export interface PodAddresses {
  readonly podIps: readonly string[]
  readonly hostIps: readonly string[]
}

export interface NodeAllocatable {
  readonly milliCpu: number
  readonly memory: number
  readonly ephemeralStorage: number
}

export class FieldError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FieldError'
  }
}

const escaped = (text: string): string => JSON.stringify(text)

/** All pairs, sorted, one `key="value"` per line. */
function formatMap(map: { readonly [key: string]: string } | undefined): string {
  return Object.keys(map ?? {})
    .sort()
    .map(key => `${key}=${escaped(map![key]!)}`)
    .join('\n')
}

/** The value of a fieldRef's path. Throws FieldError for an unknown path. */
export function podField(pod: Pod, path: string, addresses: PodAddresses): string {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path)
  if (subscript) return pod.metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2]!] ?? ''
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name ?? ''
    case 'metadata.namespace':
      return pod.metadata.namespace ?? ''
    case 'metadata.uid':
      return pod.metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(pod.metadata.labels)
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations)
    case 'spec.nodeName':
      return pod.spec.nodeName ?? ''
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? ''
    case 'spec.host':
      return pod.spec.nodeName ?? ''
    case 'status.hostIP':
      return addresses.hostIps[0] ?? ''
    case 'status.hostIPs':
      return addresses.hostIps.join(',')
    case 'status.podIP':
      return addresses.podIps[0] ?? ''
    case 'status.podIPs':
      return addresses.podIps.join(',')
    default:
      throw new FieldError(`unsupported fieldPath: ${path}`)
  }
}

/** The value of a resourceFieldRef in units of its divisor, rounded up. A missing limit is the node's allocatable. */
export function resourceField(container: Container, ref: ResourceFieldSelector, node: NodeAllocatable): string {
  const [kind, ...rest] = ref.resource.split('.')
  const name = rest.join('.')
  if ((kind !== 'limits' && kind !== 'requests') || !/^(cpu|memory|ephemeral-storage|hugepages-.+)$/.test(name))
    throw new FieldError(`unsupported container resource : ${ref.resource}`)
  const amount = container.resources?.[kind]?.[name] ?? fallback(container, kind, name, node)
  const divisor = ref.divisor === undefined || ref.divisor === '0' ? Quantity.of(1) : parseQuantity(ref.divisor)
  const { nanos } = parseQuantity(amount)
  return String((nanos + divisor.nanos - 1n) / divisor.nanos)
}

function fallback(container: Container, kind: 'limits' | 'requests', name: string, node: NodeAllocatable): string {
  if (kind === 'requests') return container.resources?.limits?.[name] ?? '0'
  if (name === 'cpu') return `${node.milliCpu}m`
  if (name === 'memory') return String(node.memory)
  return name === 'ephemeral-storage' ? String(node.ephemeralStorage) : '0'
}
