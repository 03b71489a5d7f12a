/**
 * Ours: images that upgrade K3s or Skiff refuse to go back, but only once the node has been drained. So it is not begun. Of
 * other images nobody knows what their tags mean.
 */
import type { Node } from '../../bootstrap/client/resources.ts'
import { withTag } from './names.ts'
import type { Plan, PlanStatus } from './plan.ts'

/** Why the node is not to be upgraded to what the plan says; undefined when nothing speaks against it. */
export function downgradeProblem({ spec }: Plan, { latestVersion = '' }: PlanStatus, node: Node): string | undefined {
  const image = withTag(spec.upgrade.image, latestVersion)
  const [, name = '', tag = ''] = /(?:^|\/)([^/:@]+):([^/:@]+)(?:@.*)?$/.exec(image) ?? []
  if (!/^(k3s|skiff)-upgrade$/.test(name)) return undefined
  const current = node.status?.nodeInfo?.kubeletVersion ?? ''
  const [from, to] = [numbersOf(current), numbersOf(tag)]
  if (!from || !to || !isLess(to, from)) return undefined
  return `downgrades are refused: the node runs ${current}, and ${tag} is older`
}

function numbersOf(version: string): readonly number[] | undefined {
  return /^v?(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number)
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((number, index) => number !== b[index])
  return at >= 0 && a[at]! < b[at]!
}
