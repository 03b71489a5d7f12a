/** Even spread of alike pods over the values of a node label (PodTopologySpread). */
import { labelSelectorOf } from '../../../../bootstrap/api/selectors.ts'
import { untolerated } from '../../../../bootstrap/api/tolerations.ts'
import type { TopologySpreadConstraint } from '../../../../bootstrap/api/types.gen.ts'
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import { nodeAllowed } from '../../common/node-affinity.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { NodeInfo } from '../node-info.ts'
import type { Plugin } from '../plugin.ts'

interface Spread {
  readonly constraint: TopologySpreadConstraint
  /** Alike pods per value of the label, over the nodes that count. */
  readonly counts: ReadonlyMap<string, number>
  readonly matchesSelf: boolean
}

function spreadOf(constraint: TopologySpreadConstraint, pod: Pod, state: ClusterState): Spread {
  const selector = labelSelectorOf(constraint.labelSelector)
  const keys = constraint.matchLabelKeys ?? []
  const alike = (other: Pod): boolean =>
    other.metadata.namespace === pod.metadata.namespace &&
    other.metadata.deletionTimestamp === undefined &&
    selector.matches(other.metadata.labels) &&
    keys.every(
      key => pod.metadata.labels?.[key] === undefined || pod.metadata.labels[key] === other.metadata.labels?.[key],
    )
  const counts = new Map<string, number>()
  for (const node of state.nodes.values()) {
    const value = node.node.metadata.labels?.[constraint.topologyKey]
    if (value === undefined || !countsFor(constraint, pod, node)) continue
    counts.set(value, (counts.get(value) ?? 0) + [...node.pods.values()].filter(alike).length)
  }
  return { constraint, counts, matchesSelf: selector.matches(pod.metadata.labels) }
}

/** Whether a node counts for the constraint: by default it must be one the pod may run on by affinity; taints are ignored. */
function countsFor(constraint: TopologySpreadConstraint, pod: Pod, { node }: NodeInfo): boolean {
  if (constraint.nodeAffinityPolicy !== 'Ignore' && !nodeAllowed(pod, node)) return false
  return (
    constraint.nodeTaintsPolicy !== 'Honor' ||
    !untolerated(node.spec.taints, pod.spec.tolerations, ['NoSchedule', 'NoExecute'])
  )
}

export const topologySpread: Plugin = {
  name: 'PodTopologySpread',
  weight: 2,
  judge(pod, state) {
    const constraints = pod.spec.topologySpreadConstraints ?? []
    if (constraints.length === 0) return undefined
    const spreads = constraints.map(constraint => spreadOf(constraint, pod, state))
    const hard = spreads.filter(({ constraint }) => constraint.whenUnsatisfiable === 'DoNotSchedule')
    const soft = spreads.filter(({ constraint }) => constraint.whenUnsatisfiable === 'ScheduleAnyway')
    return {
      filter({ node }) {
        for (const { constraint, counts, matchesSelf } of hard) {
          const value = node.metadata.labels?.[constraint.topologyKey]
          if (value === undefined)
            return {
              reason: "node(s) didn't match pod topology spread constraints (missing required label)",
              unresolvable: true,
            }
          const fewDomains = constraint.minDomains !== undefined && counts.size < constraint.minDomains
          const least = fewDomains ? 0 : Math.min(...counts.values())
          const skew = (counts.get(value) ?? 0) + (matchesSelf ? 1 : 0) - (Number.isFinite(least) ? least : 0)
          if (skew > constraint.maxSkew) return { reason: "node(s) didn't match pod topology spread constraints" }
        }
        return undefined
      },
      ...(soft.length === 0
        ? {}
        : {
            score: ({ node }) =>
              soft.reduce(
                (sum, { constraint, counts }) =>
                  sum + (counts.get(node.metadata.labels?.[constraint.topologyKey] ?? '') ?? 0),
                0,
              ),
            normalize: 'lowest' as const,
          }),
    }
  },
}
