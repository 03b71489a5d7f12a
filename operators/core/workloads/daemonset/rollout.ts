/** Which pods of a DaemonSet to make and to delete, on each node (upstream daemon_controller.go, update.go). */
import type { DaemonSet, Node, Pod } from '../../../../bootstrap/client/resources.ts'
import { isAvailable, isTerminating } from '../../../runtime/pods.ts'
import { millis } from '../../../runtime/time.ts'
import { scaled } from '../percent.ts'
import { revisionLabel } from '../revisions.ts'
import { fitOn } from './placement.ts'

export interface Steps {
  /** Nodes that need a pod. */
  readonly create: string[]
  readonly remove: Pod[]
  /** Pods of `remove` that ended by themselves. */
  readonly failed: Pod[]
  readonly succeeded: Pod[]
}

export interface Situation {
  readonly set: DaemonSet
  readonly nodes: readonly Node[]
  readonly podsOn: ReadonlyMap<string, readonly Pod[]>
  readonly hash: string
  readonly now: number
}

/** Brings pods to nodes that lack one and removes those that do not belong. */
export function placementSteps({ set, nodes, podsOn, hash, now }: Situation): Steps {
  const steps: Steps = { create: [], remove: [], failed: [], succeeded: [] }
  const surging = limits(set, 1).surge > 0
  for (const node of nodes) {
    const name = node.metadata.name ?? ''
    const pods = podsOn.get(name) ?? []
    const { run, stay } = fitOn(set, node)
    if (!stay) steps.remove.push(...pods.filter(pod => !isTerminating(pod)))
    else if (pods.length === 0) {
      if (run) steps.create.push(name)
    } else keepOne(pods, surging, hash, set.spec.minReadySeconds ?? 0, now, steps)
  }
  const known = new Set(nodes.map(node => node.metadata.name))
  for (const [name, pods] of podsOn)
    if (!known.has(name)) steps.remove.push(...pods.filter(pod => !pod.spec.nodeName && !isTerminating(pod)))
  return steps
}

function keepOne(
  pods: readonly Pod[],
  surging: boolean,
  hash: string,
  minReadySeconds: number,
  now: number,
  steps: Steps,
): void {
  const running: Pod[] = []
  for (const pod of pods) {
    if (isTerminating(pod)) continue
    const { phase } = pod.status ?? {}
    if (phase !== 'Failed' && phase !== 'Succeeded') running.push(pod)
    else {
      steps.remove.push(pod)
      steps[phase === 'Failed' ? 'failed' : 'succeeded'].push(pod)
    }
  }
  running.sort(oldestFirst)
  if (!surging) {
    steps.remove.push(...running.slice(1))
    return
  }
  const [oldest, ...extra] = running.filter(pod => !isCurrent(pod, hash))
  const [newest, ...more] = running.filter(pod => isCurrent(pod, hash))
  steps.remove.push(...extra, ...more)
  if (oldest && newest && isAvailable(newest, minReadySeconds, now)) steps.remove.push(oldest)
}

/** Replaces pods of older templates, within what the strategy allows. */
export function rolloutSteps(situation: Situation): Steps {
  const { set, nodes, podsOn, now, hash } = situation
  const steps: Steps = { create: [], remove: [], failed: [], succeeded: [] }
  if (set.spec.updateStrategy?.type === 'OnDelete') return steps
  const wanted = nodes.filter(node => fitOn(set, node).run)
  const { surge, unavailable } = limits(set, wanted.length)
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)
  let busy = surge > 0 ? 0 : wanted.filter(({ metadata }) => !podsOn.has(metadata.name ?? '')).length
  const candidates: { readonly node: string; readonly pod: Pod }[] = []
  const broken: { readonly node: string; readonly pod: Pod }[] = []
  for (const [node, pods] of podsOn) {
    const current = pods.find(pod => isCurrent(pod, hash))
    const old = pods.find(pod => !isCurrent(pod, hash))
    if (current && (surge > 0 ? old : true)) busy += available(current) && !(surge === 0 && old) ? 0 : 1
    else if (current || !old) continue
    else if (surge === 0 && isTerminating(old)) busy++
    else if (!available(old)) broken.push({ node, pod: old })
    else candidates.push({ node, pod: old })
  }
  const budget = Math.max(0, (surge > 0 ? surge : unavailable) - busy)
  const chosen = [...broken, ...candidates.slice(0, budget)]
  if (surge > 0) steps.create.push(...chosen.filter(({ pod }) => !isTerminating(pod)).map(({ node }) => node))
  else steps.remove.push(...chosen.map(({ pod }) => pod))
  if (surge === 0) return steps
  return { ...steps, create: steps.create.filter(node => wanted.some(({ metadata }) => metadata.name === node)) }
}

/** How many nodes may have two pods, and how many none. */
function limits(set: DaemonSet, desired: number): { surge: number; unavailable: number } {
  if (set.spec.updateStrategy?.type === 'OnDelete') return { surge: 0, unavailable: 0 }
  const { maxSurge, maxUnavailable = 1 } = set.spec.updateStrategy?.rollingUpdate ?? {}
  const surge = scaled(maxSurge, desired, 'up')
  return { surge, unavailable: surge > 0 ? 0 : Math.max(1, scaled(maxUnavailable, desired, 'up')) }
}

export function isCurrent(pod: Pod, hash: string): boolean {
  return pod.metadata.labels?.[revisionLabel] === hash
}

export function oldestFirst(a: Pod, b: Pod): number {
  return millis(a.metadata.creationTimestamp) - millis(b.metadata.creationTimestamp)
}
