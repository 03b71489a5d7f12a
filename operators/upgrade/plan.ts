/** Plan (upgrade.cattle.io/v1) and the names users of the system-upgrade-controller know from it. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { LabelSelectorObject } from '../../bootstrap/api/selectors.ts'
import type {
  EnvFromSource,
  EnvVar,
  LocalObjectReference,
  SecurityContext,
  Toleration,
} from '../../bootstrap/api/types.gen.ts'
import type { Node } from '../../bootstrap/client/resources.ts'
import { namespaced } from '../../bootstrap/client/resources.ts'

export interface PlanVolume {
  readonly name: string
  readonly source: string
  readonly destination: string
}

export interface PlanContainer {
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly envs?: readonly EnvVar[]
  readonly envFrom?: readonly EnvFromSource[]
  readonly volumes?: readonly PlanVolume[]
  readonly securityContext?: SecurityContext
}

export interface DrainSpec {
  /** A number is nanoseconds, as upstream has it; a text a duration. */
  readonly timeout?: number | string
  readonly gracePeriod?: number
  readonly deleteLocalData?: boolean
  readonly deleteEmptydirData?: boolean
  readonly ignoreDaemonSets?: boolean
  readonly force?: boolean
  readonly disableEviction?: boolean
  readonly skipWaitForDeleteTimeout?: number
  readonly podSelector?: LabelSelectorObject
}

export interface PlanSecret {
  readonly name: string
  readonly path?: string
  readonly ignoreUpdates?: boolean
  readonly defaultMode?: number
}

export interface PlanWindow {
  readonly days?: readonly string[]
  readonly startTime?: string
  readonly endTime?: string
  readonly timeZone?: string
}

export interface PlanSpec {
  readonly concurrency?: number
  readonly jobActiveDeadlineSecs?: number
  readonly nodeSelector?: LabelSelectorObject
  readonly serviceAccountName?: string
  readonly channel?: string
  readonly version?: string
  readonly secrets?: readonly PlanSecret[]
  readonly tolerations?: readonly Toleration[]
  readonly exclusive?: boolean
  readonly window?: PlanWindow
  readonly prepare?: PlanContainer
  readonly upgrade: PlanContainer
  readonly cordon?: boolean
  readonly drain?: DrainSpec
  readonly imagePullSecrets?: readonly LocalObjectReference[]
  readonly postCompleteDelay?: string
  readonly priorityClassName?: string
  readonly postCompleteLabels?: { readonly [key: string]: string }
}

export type PlanConditionType = 'Complete' | 'Validated' | 'LatestResolved'

/** With lastUpdateTime and without lastTransitionTime, as upstream has them. */
export interface PlanCondition {
  readonly type: PlanConditionType
  readonly status: 'True' | 'False' | 'Unknown'
  readonly lastUpdateTime?: string
  readonly reason?: string
  readonly message?: string
}

export interface PlanStatus {
  readonly conditions?: readonly PlanCondition[]
  readonly latestVersion?: string
  readonly latestHash?: string
  /** Host names. */
  readonly applying?: readonly string[]
}

export interface Plan extends KubeObject {
  readonly spec: PlanSpec
  readonly status?: PlanStatus
}

export const plans = namespaced<Plan>('upgrade.cattle.io', 'v1', 'plans', 'Plan')

export const label = {
  controller: 'upgrade.cattle.io/controller',
  exclusive: 'upgrade.cattle.io/exclusive',
  node: 'upgrade.cattle.io/node',
  plan: 'upgrade.cattle.io/plan',
  version: 'upgrade.cattle.io/version',
} as const

export const annotation = {
  /** Fields of the plan that count for its hash. */
  digest: 'upgrade.cattle.io/digest',
  ttl: 'upgrade.cattle.io/ttl-seconds-after-finished',
  /** Ours: what of the plan a Job was made of. */
  jobSpec: 'upgrade.cattle.io/job-spec',
} as const

/** On Jobs the hash they apply, on nodes the one that was applied. */
export const planLabel = (plan: string): string => `plan.upgrade.cattle.io/${plan}`
/** The value of the plan's label that keeps a node out. */
export const optedOut = 'disabled'

export const hostnameLabel = 'kubernetes.io/hostname'

/** What a plan calls the node. */
export const hostnameOf = ({ metadata }: Node): string => metadata.labels?.[hostnameLabel] ?? metadata.name ?? ''

/** Image tags and label values have no "+". */
export const mungeVersion = (version: string): string => version.replaceAll('+', '-')

export const cordons = ({ spec }: Plan): boolean => spec.cordon === true || spec.drain !== undefined
