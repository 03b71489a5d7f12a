/** What the parts of the controller share. */
import type { ObjectKey } from '../../bootstrap/api/object.ts'
import { type Job, jobs, type Node, nodes } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'
import type { OwnWrites } from '../runtime/own-writes.ts'
import type { AskChannel } from './channel.ts'
import { creditorsOf } from './cordons.ts'
import type { Plan, PlanStatus } from './plan.ts'
import type { Environment } from './settings.ts'

export interface UpgradeOptions {
  /** Plans elsewhere are left alone. */
  readonly namespace: string
  /** What Jobs are labelled with, and who speaks in events. */
  readonly controller: string
  /** The node this process is on, which is told that plans are being looked after. */
  readonly nodeName: string
  /** SYSTEM_UPGRADE_JOB_* and so on; the ConfigMap of upstream's manifest comes before it. */
  readonly env: Environment
  /** For tests. */
  readonly ask?: AskChannel
}

/** What was written of plans, their Jobs and nodes, and may not be in the caches yet. */
export type Writes = { readonly [kind in 'plans' | 'jobs' | 'nodes']: OwnWrites }

export const defaultNamespace = 'system-upgrade'
export const defaultController = 'system-upgrade-controller'

/** One look at a plan: what is written during it is seen in it. */
export interface Round {
  readonly key: ObjectKey
  readonly plan: Plan
  status: PlanStatus
  nodes: readonly Node[]
  /** When to look again at the latest. */
  againInMs: number
}

/** The index of Jobs by the key of their plan. */
export const byPlan = 'upgrade-plan'

export const jobsOfPlan = (key: ObjectKey, { informers }: Cluster): readonly Job[] =>
  informers.get(jobs).byIndex(byPlan, key)

export const debtorsOf = (plan: string, { informers }: Cluster): readonly Node[] =>
  informers
    .get(nodes)
    .list()
    .filter(node => creditorsOf(node).includes(plan))
