/** Gives every node its pod network: the next free block of the cluster CIDR (kubernetes pkg/controller/nodeipam, range allocator). */
import { isConflict } from '../../bootstrap/api/errors.ts'
import { nodes } from '../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

/** K3s' node mask for IPv4. */
const nodeBits = 24

/** `clusterCidr` is one IPv4 network, e.g. 10.42.0.0/16. */
export function nodeIpam(clusterCidr: string): Operator {
  return {
    name: 'node-ipam-controller',
    // One at a time: two nodes must never be given the same block.
    concurrency: 1,
    watches: [on(nodes, node => (node.spec.podCIDR ? undefined : node.metadata.name!))],
    async reconcile(name, { client, informers, events }) {
      const informer = informers.get(nodes)
      const node = informer.get(name)
      if (!node || node.spec.podCIDR) return done
      const taken = new Set(informer.list().flatMap(other => other.spec.podCIDRs ?? []))
      const free = firstFree(clusterCidr, taken)
      if (free === undefined) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        return { requeueAfterMs: 60_000 }
      }
      const { resourceVersion } = node.metadata
      const patch = { metadata: { resourceVersion }, spec: { podCIDR: free, podCIDRs: [free] } }
      try {
        await client.patch(nodes, { name }, patch, { type: 'merge' })
      } catch (error) {
        if (isConflict(error)) return { requeueAfterMs: 5 }
        throw error
      }
      return done
    },
  }
}

/** The first block that is not taken; undefined when all are. */
export function firstFree(clusterCidr: string, taken: ReadonlySet<string>): string | undefined {
  const [address = '', bits = '16'] = clusterCidr.split('/')
  const size = Math.max(nodeBits, Number(bits))
  const base = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  for (let block = 0; block < 2 ** (size - Number(bits)); block++) {
    const start = base + block * 2 ** (32 - size)
    const cidr = `${[24, 16, 8, 0].map(shift => Math.floor(start / 2 ** shift) % 256).join('.')}/${size}`
    if (!taken.has(cidr)) return cidr
  }
  return undefined
}
