/** On which nodes a DaemonSet's pods belong (upstream daemon/daemon_controller.go, util/daemonset_util.go). */
import { draftOf } from '../../../../bootstrap/api/object.ts'
import { untolerated } from '../../../../bootstrap/api/tolerations.ts'
import type { NodeSelectorTerm, PodSpec, Toleration } from '../../../../bootstrap/api/types.gen.ts'
import type { DaemonSet, Node, Pod } from '../../../../bootstrap/client/resources.ts'
import { nodeAllowed } from '../../common/node-affinity.ts'

const always: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
]
const onHostNetwork: Toleration = {
  key: 'node.kubernetes.io/network-unavailable',
  operator: 'Exists',
  effect: 'NoSchedule',
}

/** The pod's spec on one node: only that node fits it, and a troubled node does not drive it away. */
export function specOn(spec: PodSpec, node: string): PodSpec {
  const tolerations = [...(spec.tolerations ?? [])]
  for (const added of [...always, ...(spec.hostNetwork ? [onHostNetwork] : [])])
    if (!tolerations.some(known => known.key === added.key && known.effect === added.effect)) tolerations.push(added)
  const nodeAffinity = {
    ...spec.affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
    },
  }
  return draftOf({ ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations })
}

export interface Fit {
  /** A pod should be there. */
  readonly run: boolean
  /** A pod that is there may stay. */
  readonly stay: boolean
}

/** Whether a pod of the set belongs on the node. */
export function fitOn(set: DaemonSet, node: Node): Fit {
  const spec = set.spec.template.spec ?? { containers: [] }
  const named = spec.nodeName === undefined || spec.nodeName === '' || spec.nodeName === node.metadata.name
  if (!named || !nodeAllowed({ spec }, node)) return { run: false, stay: false }
  const { tolerations = [] } = specOn(spec, node.metadata.name ?? '')
  const blocked = (...effects: readonly string[]) => untolerated(node.spec.taints, tolerations, effects) !== undefined
  return { run: !blocked('NoSchedule', 'NoExecute'), stay: !blocked('NoExecute') }
}

/** The node a pod runs on, or is meant for. */
export function nodeOf(pod: Pod): string {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  for (const term of required?.nodeSelectorTerms ?? []) {
    const name = namedIn(term)
    if (name !== undefined) return name
  }
  return ''
}

function namedIn({ matchFields = [] }: NodeSelectorTerm): string | undefined {
  const field = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In')
  return field?.values?.[0]
}
