/** Picks the node for a pod: every plugin filters, those left are ranked by the weighted sum of scores. Pure. */
import type { Pod } from '../../../bootstrap/client/resources.ts'
import type { ClusterState } from './cluster-state.ts'
import type { NodeInfo } from './node-info.ts'
import type { Judge, Misfit, Plugin } from './plugin.ts'

export type Choice =
  | { readonly kind: 'node'; readonly node: NodeInfo }
  | {
      readonly kind: 'none'
      /** How many nodes said what, the way upstream's message lists it. */
      readonly reasons: readonly string[]
      readonly total: number
      /** Nodes where the removal of pods could help. */
      readonly resolvable: readonly NodeInfo[]
    }

interface Opinion {
  readonly plugin: Plugin
  readonly judge: Judge
}

/** `random` breaks ties between equally good nodes. */
export function chooseNode(pod: Pod, state: ClusterState, plugins: readonly Plugin[], random: () => number): Choice {
  const opinions: Opinion[] = []
  for (const plugin of plugins) {
    const judge = plugin.judge(pod, state)
    if (typeof judge === 'string') return { kind: 'none', reasons: [judge], total: state.nodes.size, resolvable: [] }
    if (judge) opinions.push({ plugin, judge })
  }
  const fitting: NodeInfo[] = []
  const counts = new Map<string, number>()
  const resolvable: NodeInfo[] = []
  for (const node of state.nodes.values()) {
    const misfits = misfitsOf(node, opinions)
    if (misfits.length === 0) fitting.push(node)
    else if (!misfits.some(misfit => misfit.unresolvable)) resolvable.push(node)
    for (const { reason } of misfits) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  }
  if (fitting.length === 0) {
    const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort()
    return { kind: 'none', reasons, total: state.nodes.size, resolvable }
  }
  return { kind: 'node', node: best(fitting, opinions, random) }
}

/** What the first objecting plugin says of the node; upstream stops there, too. */
function misfitsOf(node: NodeInfo, opinions: readonly Opinion[]): readonly Misfit[] {
  for (const { judge } of opinions) {
    const misfit = judge.filter?.(node)
    if (misfit !== undefined) return Array.isArray(misfit) ? misfit : [misfit as Misfit]
  }
  return []
}

/** Whether the pod would fit on this node as it is. */
export function fits(pod: Pod, node: NodeInfo, state: ClusterState, plugins: readonly Plugin[]): boolean {
  return plugins.every(plugin => {
    const judge = plugin.judge(pod, state)
    return typeof judge !== 'string' && judge?.filter?.(node) === undefined
  })
}

function best(nodes: readonly NodeInfo[], opinions: readonly Opinion[], random: () => number): NodeInfo {
  if (nodes.length === 1) return nodes[0]!
  const totals = new Map<NodeInfo, number>(nodes.map(node => [node, 0]))
  for (const { plugin, judge } of opinions) {
    if (!judge.score) continue
    const scores = normalized(nodes.map(judge.score), judge.normalize)
    for (const [at, node] of nodes.entries()) totals.set(node, totals.get(node)! + (plugin.weight ?? 1) * scores[at]!)
  }
  const top = Math.max(...totals.values())
  const winners = nodes.filter(node => totals.get(node) === top)
  return winners[Math.floor(random() * winners.length)]!
}

function normalized(scores: readonly number[], how: Judge['normalize']): readonly number[] {
  if (how === undefined) return scores
  const [low, high] = [Math.min(...scores), Math.max(...scores)]
  if (high === low) return scores.map(() => (how === 'lowest' ? 100 : high === 0 ? 0 : 100))
  return scores.map(score => (100 * (how === 'highest' ? score - low : high - score)) / (high - low))
}
