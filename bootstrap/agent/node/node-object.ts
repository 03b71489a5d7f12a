/** The Node object of this machine, as kubelet and K3s' cloud controller together write it. Pure. */
import type { ContainerImage, NodeAddress, NodeCondition, NodeStatus, Taint } from '../../api/types.gen.ts'
import type { Node } from '../../client/resources.ts'
import type { RuntimeCondition, RuntimeImage } from '../runtime.ts'
import type { Machine } from './machine.ts'

export interface NodeSettings {
  readonly name: string
  readonly hostname: string
  readonly ips: readonly string[]
  readonly externalIps: readonly string[]
  readonly internalDns?: readonly string[]
  readonly externalDns?: readonly string[]
  /** A cloud controller knows the addresses, the provider id and the kind of machine; the node waits for it. */
  readonly externalCloud?: boolean
  readonly providerId?: string | undefined
  readonly labels: { readonly [key: string]: string }
  readonly annotations: { readonly [key: string]: string }
  /** Only at registration. */
  readonly taints: readonly Taint[]
  readonly version: string
  readonly kubeletPort: number
  readonly maxPods: number
}

export interface NodeFacts {
  readonly machine: Machine
  readonly runtimeVersion: string
  readonly conditions: readonly RuntimeCondition[]
  readonly images: readonly RuntimeImage[]
  readonly pressure: { readonly memory: boolean; readonly disk: boolean; readonly pid: boolean }
}

export function nodeLabels(settings: NodeSettings, machine: Machine): { [key: string]: string } {
  return {
    'beta.kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    // Machines may share a host name, nodes have names of their own: kubelet gets it as --hostname-override.
    'kubernetes.io/hostname': settings.name,
    'kubernetes.io/os': 'linux',
    ...settings.labels,
  }
}

export function nodeAnnotations(settings: NodeSettings): { [key: string]: string } {
  return {
    'k3s.io/hostname': settings.hostname,
    'k3s.io/internal-ip': settings.ips.join(','),
    ...listed('k3s.io/external-ip', settings.externalIps),
    ...listed('k3s.io/internal-dns', settings.internalDns),
    ...listed('k3s.io/external-dns', settings.externalDns),
    'node.alpha.kubernetes.io/ttl': '0',
    'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
    ...settings.annotations,
  }
}

function listed(name: string, values: readonly string[] = []): { [name: string]: string } {
  return values.length > 0 ? { [name]: values.join(',') } : {}
}

const uninitialized = { key: 'node.cloudprovider.kubernetes.io/uninitialized', value: 'true', effect: 'NoSchedule' }

export function newNode(settings: NodeSettings, machine: Machine): Node {
  const taints = [...settings.taints, ...(settings.externalCloud ? [uninitialized] : [])]
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: settings.name, labels: nodeLabels(settings, machine), annotations: nodeAnnotations(settings) },
    spec: {
      ...(settings.providerId ? { providerID: settings.providerId } : {}),
      ...(taints.length > 0 ? { taints } : {}),
    },
  }
}

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)}Ki`

/** The share of the disk that eviction keeps free. */
const diskReserve = 0.05

function capacity(settings: NodeSettings, machine: Machine): { [resource: string]: string } {
  const pages = Object.entries(machine.hugepages).map(([size, bytes]) => [
    `hugepages-${size}`,
    bytes === 0 ? '0' : kibibytes(bytes),
  ])
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': kibibytes(machine.diskBytes),
    ...Object.fromEntries(pages),
    memory: kibibytes(machine.memoryBytes),
    pods: String(settings.maxPods),
  }
}

/** What pods may use: memory set aside as huge pages and the disk's reserve are not theirs. */
export function allocatable(settings: NodeSettings, machine: Machine): { [resource: string]: string } {
  const pages = Object.values(machine.hugepages).reduce((sum, bytes) => sum + bytes, 0)
  return {
    ...capacity(settings, machine),
    'ephemeral-storage': String(Math.floor(machine.diskBytes * (1 - diskReserve))),
    memory: kibibytes(machine.memoryBytes - pages),
  }
}

/** What the node knows of its addresses by itself; external ones are a cloud controller's to publish. */
function addresses(settings: NodeSettings): NodeAddress[] {
  return [
    ...settings.ips.map(address => ({ type: 'InternalIP', address })),
    { type: 'Hostname', address: settings.hostname },
  ]
}

/** `previous` keeps transition times and conditions of others; `now` is RFC 3339. */
export function nodeStatus(
  settings: NodeSettings,
  facts: NodeFacts,
  previous: NodeStatus | undefined,
  now: string,
): NodeStatus {
  const { machine } = facts
  // Once a cloud controller may have written them, addresses are left alone.
  const settled = settings.externalCloud && (previous?.addresses ?? []).length > 0
  return {
    ...(settled ? {} : { addresses: addresses(settings) }),
    capacity: capacity(settings, machine),
    allocatable: allocatable(settings, machine),
    conditions: conditions(facts, previous?.conditions ?? [], now),
    daemonEndpoints: { kubeletEndpoint: { Port: settings.kubeletPort } },
    images: imageList(facts.images),
    nodeInfo: {
      architecture: machine.architecture,
      bootID: machine.bootId,
      containerRuntimeVersion: facts.runtimeVersion,
      kernelVersion: machine.kernel,
      kubeProxyVersion: settings.version,
      kubeletVersion: settings.version,
      machineID: machine.machineId,
      operatingSystem: 'linux',
      osImage: machine.osImage,
      systemUUID: machine.systemUuid,
    },
  }
}

const mostImages = 50
const namesPerImage = 5

function imageList(images: readonly RuntimeImage[]): ContainerImage[] {
  return [...images]
    .sort((a, b) => b.size - a.size)
    .slice(0, mostImages)
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, namesPerImage),
      sizeBytes: size,
    }))
}

type Draft = Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>

function conditions(facts: NodeFacts, previous: readonly NodeCondition[], now: string): NodeCondition[] {
  const { memory, disk, pid } = facts.pressure
  const drafts: Draft[] = [
    pressure(
      'MemoryPressure',
      memory,
      'KubeletHasInsufficientMemory',
      'KubeletHasSufficientMemory',
      'kubelet has insufficient memory available',
      'kubelet has sufficient memory available',
    ),
    pressure(
      'DiskPressure',
      disk,
      'KubeletHasDiskPressure',
      'KubeletHasNoDiskPressure',
      'kubelet has disk pressure',
      'kubelet has no disk pressure',
    ),
    pressure(
      'PIDPressure',
      pid,
      'KubeletHasInsufficientPID',
      'KubeletHasSufficientPID',
      'kubelet has insufficient PID available',
      'kubelet has sufficient PID available',
    ),
    readiness(facts.conditions),
  ]
  const own = drafts.map(draft => {
    const before = previous.find(({ type }) => type === draft.type)
    const since = before?.status === draft.status ? (before.lastTransitionTime ?? now) : now
    return { ...draft, lastHeartbeatTime: now, lastTransitionTime: since }
  })
  return [...previous.filter(({ type }) => !drafts.some(draft => draft.type === type)), ...own]
}

function pressure(type: string, holds: boolean, bad: string, good: string, badText: string, goodText: string): Draft {
  return { type, status: holds ? 'True' : 'False', reason: holds ? bad : good, message: holds ? badText : goodText }
}

/** Ready when the runtime and its network are. */
export function readiness(runtime: readonly RuntimeCondition[]): Draft {
  const texts: { readonly [type: string]: string } = {
    RuntimeReady: 'container runtime not ready',
    NetworkReady: 'container runtime network not ready',
  }
  const missing = Object.keys(texts).flatMap(type => {
    const condition = runtime.find(each => each.type === type)
    if (condition?.status) return []
    return [`${texts[type]}: ${type}=false reason:${condition?.reason ?? ''} message:${condition?.message ?? ''}`]
  })
  if (missing.length === 0)
    return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
  return {
    type: 'Ready',
    status: 'False',
    reason: 'KubeletNotReady',
    message: `[${missing.join(', ')}]`.replace(/^\[([^,]*)\]$/, '$1'),
  }
}
