/**
 * K3s' cloud controller (k3s-io/k3s pkg/cloudprovider, behind upstream's cloud node controller): what a cloud would know of a
 * machine is told by the node itself, in annotations. A node stays tainted, and so without pods, until that is written down.
 */
import { isConflict } from '../../bootstrap/api/errors.ts'
import type { NodeAddress } from '../../bootstrap/api/types.gen.ts'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

const uninitialized = 'node.cloudprovider.kubernetes.io/uninitialized'
const instanceType = 'node.kubernetes.io/instance-type'

/** Labels with an older name, which follows the newer one. */
const olderNames: readonly (readonly [name: string, older: string])[] = [
  [instanceType, 'beta.kubernetes.io/instance-type'],
  ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'],
  ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'],
]

/** Annotations (of older agents: labels) and the type of the addresses they list, in the order these are published. */
const sources: readonly (readonly [name: string, type: string])[] = [
  ['k3s.io/internal-ip', 'InternalIP'],
  ['k3s.io/external-ip', 'ExternalIP'],
  ['k3s.io/internal-dns', 'InternalDNS'],
  ['k3s.io/external-dns', 'ExternalDNS'],
  ['k3s.io/hostname', 'Hostname'],
]

export const cloudNodes: Operator = {
  name: 'cloud-node-controller',
  watches: [on(nodes, node => node.metadata.name!)],
  async reconcile(name, { client, informers, events }) {
    const node = informers.get(nodes).get(name)
    // Until the agent has told its address nothing is known of the machine; its word comes as a change.
    if (!node || announced(node, 'k3s.io/internal-ip') === '') return done
    const addresses = addressesOf(node)
    const latest = sameJson(addresses, node.status?.addresses ?? [])
      ? node
      : await client.patch(nodes, { name }, { status: { addresses } }, { type: 'merge', subresource: 'status' })
    const change = changeOf(latest)
    if (!change) return done
    try {
      await client.patch(nodes, { name }, change, { type: 'merge' })
    } catch (error) {
      // Others write to a new node at the same time; the taints must be the ones that were read.
      if (isConflict(error)) return { requeueAfterMs: 5 }
      throw error
    }
    if (isTainted(latest)) events.event(node, 'Normal', 'Synced', 'Node synced successfully')
    return done
  },
}

const announced = ({ metadata }: Node, name: string): string =>
  metadata.annotations?.[name] || metadata.labels?.[name] || ''

/** The addresses the annotations name; the host name the agent reported where none does. */
export function addressesOf(node: Node): NodeAddress[] {
  const named = sources.flatMap(([name, type]) =>
    announced(node, name)
      .split(',')
      .map(address => address.trim())
      .filter(address => address !== '')
      .map(address => ({ type, address })),
  )
  if (named.some(({ type }) => type === 'Hostname')) return named
  return [...named, ...(node.status?.addresses ?? []).filter(({ type }) => type === 'Hostname')]
}

const isTainted = ({ spec }: Node): boolean => (spec.taints ?? []).some(({ key }) => key === uninitialized)

/** What the node's spec and labels lack, as a merge patch; undefined when nothing. */
function changeOf(node: Node): object | undefined {
  const { metadata, spec } = node
  const known: { readonly [label: string]: string } = { [instanceType]: 'k3s', ...metadata.labels }
  const wanted = Object.fromEntries([
    [instanceType, known[instanceType]!],
    ...olderNames.flatMap(([name, older]) => (known[name] === undefined ? [] : [[older, known[name]]])),
  ])
  const labels = Object.entries(wanted).filter(([name, value]) => metadata.labels?.[name] !== value)
  const changes = {
    ...(spec.providerID ? {} : { providerID: `k3s://${metadata.name}` }),
    ...(isTainted(node) ? { taints: spec.taints!.filter(({ key }) => key !== uninitialized) } : {}),
  }
  if (labels.length === 0 && Object.keys(changes).length === 0) return undefined
  const { resourceVersion } = metadata
  return { metadata: { resourceVersion, labels: Object.fromEntries(labels) }, spec: changes }
}
