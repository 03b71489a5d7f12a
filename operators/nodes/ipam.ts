/** Gives every node its pod networks: the next free block of each cluster CIDR (kubernetes pkg/controller/nodeipam, range allocator). */
import { addressBits, cidrSize, cidrText, type Family, parseCidr } from '../../bootstrap/api/cidr.ts'
import { isConflict } from '../../bootstrap/api/errors.ts'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import { done, type Operator, on } from '../runtime/operator.ts'

export interface IpamOptions {
  /** One network per family, e.g. 10.42.0.0/16 and fd00:42::/56; the primary one first. */
  readonly clusterCidrs: readonly string[]
  /** Of the controller manager, "name=value"; node-cidr-mask-size, -ipv4 and -ipv6 count. */
  readonly controllerArgs?: readonly string[]
}

/** Upstream's defaults. */
const defaultBits: { readonly [family in Family]: number } = { IPv4: 24, IPv6: 64 }

export function nodeIpam({ clusterCidrs, controllerArgs = [] }: IpamOptions): Operator {
  const bits = maskSizes(clusterCidrs, controllerArgs)
  /** What was handed out, until the informer shows it. */
  const handedOut = new Map<string, readonly string[]>()
  return {
    name: 'node-ipam-controller',
    // One at a time: two nodes must never be given the same block.
    concurrency: 1,
    watches: [on(nodes, node => (node.spec.podCIDR ? undefined : node.metadata.name!))],
    async reconcile(name, { client, informers, events }) {
      const informer = informers.get(nodes)
      const node = informer.get(name)
      if (!node || node.spec.podCIDR) return done
      const taken = takenBlocks(informer.list(), handedOut)
      const free = clusterCidrs.map(cidr => firstFree(cidr, taken, bits))
      if (!free.every(block => block !== undefined)) {
        events.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`)
        return { requeueAfterMs: 60_000 }
      }
      const { resourceVersion } = node.metadata
      const patch = { metadata: { resourceVersion }, spec: { podCIDR: free[0], podCIDRs: free } }
      try {
        await client.patch(nodes, { name }, patch, { type: 'merge' })
        handedOut.set(name, free)
      } catch (error) {
        if (isConflict(error)) return { requeueAfterMs: 5 }
        throw error
      }
      return done
    },
  }
}

/** Forgets on the way what the nodes show by now. */
function takenBlocks(all: readonly Node[], handedOut: Map<string, readonly string[]>): ReadonlySet<string> {
  const shown = all.filter(({ spec }) => spec.podCIDR)
  for (const { metadata } of shown) handedOut.delete(metadata.name!)
  return new Set([...shown.flatMap(({ spec }) => spec.podCIDRs ?? [spec.podCIDR!]), ...[...handedOut.values()].flat()])
}

/** A single-family cluster may use the flag without a family. */
function maskSizes(clusterCidrs: readonly string[], args: readonly string[]): { readonly [family in Family]: number } {
  const sizeOf = (name: string) => {
    const value = Number(args.findLast(arg => arg.startsWith(`${name}=`))?.slice(name.length + 1))
    return Number.isInteger(value) && value > 0 ? value : undefined
  }
  const general = clusterCidrs.length === 1 ? sizeOf('node-cidr-mask-size') : undefined
  return {
    IPv4: sizeOf('node-cidr-mask-size-ipv4') ?? general ?? defaultBits.IPv4,
    IPv6: sizeOf('node-cidr-mask-size-ipv6') ?? general ?? defaultBits.IPv6,
  }
}

/** The first block that is not taken; undefined when all are. */
export function firstFree(
  clusterCidr: string,
  taken: ReadonlySet<string>,
  sizes: { readonly [family in Family]: number } = defaultBits,
): string | undefined {
  const cluster = parseCidr(clusterCidr)!
  const { base, family } = cluster
  const bits = Math.min(addressBits(family), Math.max(sizes[family], cluster.bits))
  const step = cidrSize({ base, family, bits })
  for (let start = base; start < base + cidrSize(cluster); start += step) {
    const block = cidrText({ family, base: start, bits })
    if (!taken.has(block)) return block
  }
  return undefined
}
