/** Room on the node: fits what is asked, and prefers nodes with more and more evenly left. */
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import { podRequests } from '../../common/pod-requests.ts'
import type { NodeInfo } from '../node-info.ts'
import type { Misfit, Plugin } from '../plugin.ts'

export const resourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  judge(pod) {
    const wanted = Object.entries(podRequests(pod)).filter(([, amount]) => amount > 0)
    return {
      filter: node => {
        const misfits: Misfit[] = []
        if (node.pods.size + 1 > (node.allocatable.pods ?? 0)) misfits.push({ reason: 'Too many pods' })
        for (const [name, amount] of wanted) {
          const most = node.allocatable[name] ?? 0
          if (amount > most - (node.requested[name] ?? 0))
            misfits.push({ reason: `Insufficient ${name}`, unresolvable: amount > most })
        }
        return misfits.length > 0 ? misfits : undefined
      },
      score: node => leastAllocated(pod, node),
    }
  },
}

/** The mean free share of CPU and memory once the pod is there, 0..100. */
function leastAllocated(pod: Pod, node: NodeInfo): number {
  const shares = usedShares(pod, node)
  return shares.length === 0
    ? 0
    : (100 * shares.reduce((sum, share) => sum + Math.max(0, 1 - share), 0)) / shares.length
}

export const balancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  judge: pod => ({
    score: node => {
      const [cpu, memory] = usedShares(pod, node)
      return cpu === undefined || memory === undefined
        ? 0
        : 100 * (1 - Math.abs(Math.min(cpu, 1) - Math.min(memory, 1)) / 2)
    },
  }),
}

function usedShares(pod: Pod, node: NodeInfo): number[] {
  const requests = podRequests(pod)
  const resources = [
    ['cpu', 100, node.nonzero.cpu],
    ['memory', 200 * 1024 * 1024, node.nonzero.memory],
  ] as const
  return resources.flatMap(([name, fallback, used]) => {
    const most = node.allocatable[name] ?? 0
    return most > 0 ? [(used + (requests[name] ?? fallback)) / most] : []
  })
}
