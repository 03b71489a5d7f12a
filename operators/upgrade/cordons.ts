/**
 * Nodes that a plan has cordoned, or is about to. What is owed to a node is written on the node itself before a Job may
 * cordon it, so it is paid whatever becomes of the plan, of the Job or of this process in between.
 */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'

const prefix = 'cordon.upgrade.cattle.io/'
const wasSchedulable = 'schedulable'
const wasCordoned = 'unschedulable'

const annotationOf = (plan: string): string => `${prefix}${plan}`

/** What the node was before the plan came to it; undefined when the plan has not. */
export function debtOf({ metadata }: Node, plan: string): 'schedulable' | 'unschedulable' | undefined {
  const value = metadata.annotations?.[annotationOf(plan)]
  if (value === undefined) return undefined
  return value === wasCordoned ? wasCordoned : wasSchedulable
}

/** The plans, by name, that owe the node something. */
export function creditorsOf({ metadata }: KubeObject): readonly string[] {
  const names = Object.keys(metadata.annotations ?? {}).filter(key => key.startsWith(prefix))
  return names.map(key => key.slice(prefix.length))
}

/** What to change of a node so that it is as the plan found it. Another plan that still works on it keeps it cordoned. */
export function releasing(node: Node, plan: string): NodeChange {
  const debt = debtOf(node, plan)
  const others = creditorsOf(node).some(other => other !== plan)
  const free = debt === wasSchedulable && !others
  return { annotations: { [annotationOf(plan)]: null }, ...(free ? { unschedulable: false } : {}) }
}

/** What to change of a node before a Job cordons it; undefined when that is written down. */
export function owing(node: Node, plan: string): NodeChange | undefined {
  if (debtOf(node, plan) !== undefined) return undefined
  // A node that another plan has cordoned is the other plan's to uncordon, or ours if we are the last.
  const cordonedByOthers = creditorsOf(node).some(other => debtOf(node, other) === wasSchedulable)
  const value = node.spec?.unschedulable && !cordonedByOthers ? wasCordoned : wasSchedulable
  return { annotations: { [annotationOf(plan)]: value } }
}

export interface NodeChange {
  readonly labels?: { readonly [key: string]: string }
  readonly annotations?: { readonly [key: string]: string | null }
  readonly unschedulable?: false
}

/** Writes a change of this very node, whatever else has changed of it. */
export function changeNode(node: Node, change: NodeChange, { client }: Cluster): Promise<Node> {
  const { name = '', uid } = node.metadata
  const { labels, annotations, unschedulable } = change
  const patch = {
    metadata: { uid, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    ...(unschedulable === undefined ? {} : { spec: { unschedulable: null } }),
  }
  return client.patch(nodes, { name }, patch, { type: 'merge' })
}
