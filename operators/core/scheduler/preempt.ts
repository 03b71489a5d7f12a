/** Finds lower-priority pods whose removal would let a pod in (DefaultPreemption). */

import { labelSelectorOf } from '../../../bootstrap/api/selectors.ts'
import type { Pod, PodDisruptionBudget } from '../../../bootstrap/client/resources.ts'
import { fits } from './choose.ts'
import { ClusterState } from './cluster-state.ts'
import type { NodeInfo } from './node-info.ts'
import type { Plugin } from './plugin.ts'

export interface Preemption {
  readonly node: NodeInfo
  readonly victims: readonly Pod[]
}

const priorityOf = (pod: Pod): number => pod.spec.priority ?? 0

/** The node whose loss is least: fewest violated budgets, lowest highest priority, lowest sum, fewest victims. */
export function findPreemption(
  pod: Pod,
  candidates: readonly NodeInfo[],
  state: ClusterState,
  plugins: readonly Plugin[],
  budgets: readonly PodDisruptionBudget[],
): Preemption | undefined {
  if (pod.spec.preemptionPolicy === 'Never') return undefined
  const options = candidates.flatMap(node => {
    const victims = victimsOn(pod, node, state, plugins)
    return victims === undefined ? [] : [{ node, victims, cost: costOf(victims, budgets) }]
  })
  const [cheapest] = options.sort((a, b) => compareCosts(a.cost, b.cost))
  return cheapest
}

/** The smallest set of lower-priority pods to remove; the most important ones are kept where possible. */
function victimsOn(
  pod: Pod,
  node: NodeInfo,
  state: ClusterState,
  plugins: readonly Plugin[],
): readonly Pod[] | undefined {
  const lower = [...node.pods.values()].filter(other => priorityOf(other) < priorityOf(pod))
  if (lower.length === 0) return undefined
  const removed = new Set(lower.map(other => other.metadata.uid!))
  const fitsWithout = (uids: ReadonlySet<string>): boolean => {
    const emptied = node.without(uids)
    return fits(pod, emptied, stateWith(state, emptied), plugins)
  }
  if (!fitsWithout(removed)) return undefined
  const byImportance = lower.toSorted((a, b) => priorityOf(b) - priorityOf(a) || startOf(a) - startOf(b))
  for (const other of byImportance) {
    removed.delete(other.metadata.uid!)
    if (!fitsWithout(removed)) removed.add(other.metadata.uid!)
  }
  return byImportance.filter(other => removed.has(other.metadata.uid!))
}

const startOf = (pod: Pod): number => Date.parse(pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '') || 0

function stateWith(state: ClusterState, changed: NodeInfo): ClusterState {
  const copy = new ClusterState()
  for (const [name, node] of state.nodes) copy.nodes.set(name, name === changed.name ? changed : node)
  return copy
}

function costOf(victims: readonly Pod[], budgets: readonly PodDisruptionBudget[]): readonly number[] {
  const violated = victims.filter(victim => budgets.some(budget => exhausted(budget, victim))).length
  const priorities = victims.map(priorityOf)
  return [
    violated,
    Math.max(...priorities, Number.MIN_SAFE_INTEGER),
    priorities.reduce((sum, priority) => sum + priority, 0),
    victims.length,
  ]
}

function exhausted(budget: PodDisruptionBudget, pod: Pod): boolean {
  if (budget.metadata.namespace !== pod.metadata.namespace || (budget.status?.disruptionsAllowed ?? 0) > 0) return false
  return labelSelectorOf(budget.spec.selector).matches(pod.metadata.labels)
}

function compareCosts(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index])
  return at < 0 ? 0 : a[at]! - b[at]!
}
