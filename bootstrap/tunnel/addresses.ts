/** On which node an address is: of the nodes themselves, and of pods (K3s: pkg/daemons/control/tunnel.go). */
import type { KubeObject } from '../api/object.ts'
import type { Node, Pod } from '../api/types.gen.ts'

export interface Located {
  readonly node: string
  /** Of a node's own address. */
  readonly kubeletPort?: number
}

/** Nodes with this label let servers reach more than kubelet. */
const egressLabel = 'egress.k3s.io/cluster'
export const defaultKubeletPort = 10250

interface NodeEntry {
  readonly addresses: readonly string[]
  readonly kubeletPort: number
  readonly egress: boolean
}

/** Filled and kept current by whoever follows nodes and pods. */
export class AddressIndex {
  readonly #byNode = new Map<string, NodeEntry>()
  readonly #ofNodes = new Map<string, string>()
  readonly #ofPods = new Map<string, { readonly node: string; readonly uid: string }>()

  readonly nodes = {
    clear: () => {
      this.#byNode.clear()
      this.#ofNodes.clear()
    },
    set: (object: KubeObject) => this.#setNode(object as unknown as Node),
    delete: (object: KubeObject) => this.#deleteNode(object.metadata.name ?? ''),
  }

  readonly pods = {
    clear: () => this.#ofPods.clear(),
    set: (object: KubeObject) => this.#setPod(object as unknown as Pod),
    delete: (object: KubeObject) => this.#deletePod(object as unknown as Pod),
  }

  locate(address: string): Located | undefined {
    const pod = this.#ofPods.get(address)
    if (pod) return { node: pod.node }
    const node = this.#ofNodes.get(address)
    return node === undefined ? undefined : { node, kubeletPort: this.#byNode.get(node)!.kubeletPort }
  }

  /** Whether the node's agent may be asked for more than its kubelet. */
  allowsEgress(node: string): boolean {
    return this.#byNode.get(node)?.egress ?? false
  }

  #setNode({ metadata, status }: Node): void {
    const name = metadata?.name ?? ''
    this.#deleteNode(name)
    const own = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP')
    const addresses = own.map(({ address }) => address)
    const kubeletPort = kubeletPortOf({ status })
    this.#byNode.set(name, { addresses, kubeletPort, egress: metadata?.labels?.[egressLabel] !== undefined })
    for (const address of addresses) this.#ofNodes.set(address, name)
  }

  #deleteNode(name: string): void {
    for (const address of this.#byNode.get(name)?.addresses ?? [])
      if (this.#ofNodes.get(address) === name) this.#ofNodes.delete(address)
    this.#byNode.delete(name)
  }

  #setPod(pod: Pod): void {
    const { metadata, spec, status } = pod
    const node = spec.nodeName
    if (spec.hostNetwork || !node || status?.phase === 'Succeeded' || status?.phase === 'Failed') this.#deletePod(pod)
    else for (const { ip } of status?.podIPs ?? []) this.#ofPods.set(ip, { node, uid: metadata?.uid ?? '' })
  }

  /** An address that another pod has by now stays that one's. */
  #deletePod({ metadata, status }: Pod): void {
    for (const { ip } of status?.podIPs ?? []) if (this.#ofPods.get(ip)?.uid === metadata?.uid) this.#ofPods.delete(ip)
  }
}

/** The address an API server uses for a node's kubelet (kubelet-preferred-address-types of K3s). */
export function kubeletAddressOf({ status }: Pick<Node, 'status'>): string | undefined {
  const addresses = status?.addresses ?? []
  const of = (wanted: string) => addresses.find(({ type }) => type === wanted)?.address
  return of('InternalIP') ?? of('ExternalIP') ?? of('Hostname')
}

export function kubeletPortOf({ status }: Pick<Node, 'status'>): number {
  return status?.daemonEndpoints?.kubeletEndpoint?.Port || defaultKubeletPort
}
