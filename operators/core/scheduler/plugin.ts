/** A scheduling rule: filters nodes out with a reason, ranks those that remain, or both (kubernetes scheduler framework). */
import type { Pod } from '../../../bootstrap/client/resources.ts'
import type { ClusterState } from './cluster-state.ts'
import type { NodeInfo } from './node-info.ts'

/** Why a node does not fit. `unresolvable`: no preemption could change it. */
export interface Misfit {
  readonly reason: string
  readonly unresolvable?: boolean
}

/** What a plugin works out once per pod, for all nodes. */
export interface Judge {
  filter?(node: NodeInfo): Misfit | readonly Misfit[] | undefined
  /** Any number; larger is better. Normalised to 0..100 over the nodes by `normalize`. */
  score?(node: NodeInfo): number
  /** Default: scores are 0..100 already. 'highest': the largest becomes 100; 'lowest': the smallest does. */
  readonly normalize?: 'highest' | 'lowest'
}

export interface Plugin {
  readonly name: string
  /** Weight of its scores in the sum. */
  readonly weight?: number
  /** Prepares for one pod; undefined when the plugin has nothing to say about it. A string rejects the pod on every node. */
  judge(pod: Pod, state: ClusterState): Judge | undefined | string
}
