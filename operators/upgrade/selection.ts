/** Which nodes a plan is applied to, and in which order (upstream pkg/upgrade/plan SelectConcurrentNodes). */
import { createHash } from 'node:crypto'
import { labelSelectorOf } from '../../bootstrap/api/selectors.ts'
import type { Node } from '../../bootstrap/client/resources.ts'
import { hostnameLabel, hostnameOf, optedOut, type Plan, type PlanStatus, planLabel } from './plan.ts'

/**
 * The nodes to work on now, by name: those begun stay, the rest follows in an order that a plan and a hash always give.
 * Throws for a malformed selector.
 */
export function selectNodes(plan: Plan, status: PlanStatus, nodes: readonly Node[]): readonly Node[] {
  const { concurrency = 0, nodeSelector } = plan.spec
  const selector = labelSelectorOf(nodeSelector)
  const key = planLabel(plan.metadata.name ?? '')
  const eligible = nodes.filter(({ metadata: { labels = {} } }) => {
    const applied = labels[key]
    return (
      selector.matches(labels) &&
      labels[hostnameLabel] !== undefined &&
      applied !== optedOut &&
      applied !== status.latestHash
    )
  })
  const begun = new Set(status.applying)
  const [applying, waiting] = split(eligible, node => begun.has(hostnameOf(node)))
  const order = (node: Node) =>
    createHash('sha256')
      .update(`${node.metadata.uid ?? ''}${plan.metadata.uid ?? ''}${status.latestHash ?? ''}`)
      .digest('hex')
  const free = Math.max(0, concurrency - applying.length)
  const next = waiting
    .map(node => ({ node, rank: order(node) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, free)
    .map(({ node }) => node)
  return [...applying, ...next].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
}

/** Ours: why a plan has nothing to do although none of its nodes is done; undefined when it simply is done. */
export function whyNothing(plan: Plan, status: PlanStatus, nodes: readonly Node[]): string | undefined {
  const { concurrency = 0, nodeSelector } = plan.spec
  if (nodeSelector === undefined) return 'no node is selected: spec.nodeSelector is not set'
  const selector = labelSelectorOf(nodeSelector)
  const matched = nodes.filter(({ metadata }) => selector.matches(metadata.labels ?? {}))
  if (matched.length === 0) return `no node is selected: none of ${nodes.length} has the labels of spec.nodeSelector`
  const named = matched.filter(({ metadata }) => metadata.labels?.[hostnameLabel] !== undefined)
  if (named.length === 0) return `no node is selected: those that match have no label ${hostnameLabel}`
  const key = planLabel(plan.metadata.name ?? '')
  const open = named.filter(({ metadata }) => metadata.labels?.[key] !== optedOut)
  if (open.length === 0) return `no node is selected: those that match are opted out by the label ${key}=${optedOut}`
  const behind = open.filter(({ metadata }) => metadata.labels?.[key] !== status.latestHash)
  if (behind.length > 0 && concurrency <= 0)
    return `no node is worked on: spec.concurrency is ${concurrency}, want at least 1`
  return undefined
}

function split<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = []
  const no: T[] = []
  for (const item of items) (test(item) ? yes : no).push(item)
  return [yes, no]
}
