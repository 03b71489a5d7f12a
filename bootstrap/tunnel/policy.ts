/** What an agent lets servers reach through its tunnel (--egress-selector-mode; K3s: pkg/agent/tunnel). */
import { BlockList, isIP } from 'node:net'
import type { Pod } from '../api/types.gen.ts'
import type { Target } from './protocol.ts'

/** The target to dial in place of the one asked for; undefined: not allowed. */
export type EgressPolicy = (asked: Target) => Target | undefined

export interface PolicyOptions {
  readonly mode: string
  /** Ports that every mode lets servers reach on the loopback address: kubelet's, and the streaming server's. */
  readonly kubeletPorts: readonly number[]
  /** Where kubelet listens, if not on every address. */
  readonly kubeletAddress?: string
  /** This node's addresses now. */
  readonly nodeIps: () => readonly string[]
  readonly clusterCidrs: readonly string[]
  /** Those of this node; asked in mode "pod" only. */
  readonly pods: () => Iterable<Pod>
}

export function egressPolicy(options: PolicyOptions): EgressPolicy {
  const { mode, kubeletPorts, kubeletAddress, nodeIps, clusterCidrs, pods } = options
  const anywhere = mode === 'cluster' ? networks(clusterCidrs) : undefined
  return asked => {
    const { host, port } = asked
    if (isLoopback(host)) {
      if (!kubeletPorts.includes(port)) return undefined
      return kubeletAddress === undefined ? asked : { host: kubeletAddress, port }
    }
    if (isIP(host) === 0) return undefined
    const onNode = nodeIps().includes(host)
    const allowed = anywhere ? onNode || anywhere(host) : mode === 'pod' && ofPods(asked, onNode, pods())
    return allowed ? asked : undefined
  }
}

const isLoopback = (host: string) => host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)

function networks(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = familyOf(address)
    list.addSubnet(address, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family)
  }
  return address => list.check(address, familyOf(address))
}

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** An address of a pod with any port, or of the node with a port that a pod on the host's network declares. */
function ofPods({ host, port }: Target, onNode: boolean, pods: Iterable<Pod>): boolean {
  for (const { spec, status } of pods) {
    if (spec.hostNetwork) {
      if (onNode && portsOf(spec.containers).includes(port)) return true
    } else if (status?.podIPs?.some(({ ip }) => ip === host)) return true
  }
  return false
}

function portsOf(containers: Pod['spec']['containers']): number[] {
  const ports = containers.flatMap(container => container.ports ?? [])
  return ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP').map(({ containerPort }) => containerPort)
}
