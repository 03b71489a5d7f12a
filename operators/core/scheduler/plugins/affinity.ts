/** Pods near or away from other pods, by the topology labels of their nodes (InterPodAffinity). */
import { labelSelectorOf } from '../../../../bootstrap/api/selectors.ts'
import type { PodAffinityTerm } from '../../../../bootstrap/api/types.gen.ts'
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import type { ClusterState } from '../cluster-state.ts'
import type { NodeInfo } from '../node-info.ts'
import type { Plugin } from '../plugin.ts'

/** How often something was found in each domain of each topology key: "key=value" -> count. */
type Domains = Map<string, number>

const domainOf = (node: NodeInfo, key: string): string | undefined => {
  const value = node.node.metadata.labels?.[key]
  return value === undefined ? undefined : `${key}=${value}`
}

/** Whether `other` is one of the pods a term of `owner` speaks of. */
export function termSelects(term: PodAffinityTerm, owner: Pod, other: Pod, namespaceLabels: NamespaceLabels): boolean {
  const namespace = other.metadata.namespace!
  const listed = term.namespaces?.includes(namespace) ?? false
  const own =
    (term.namespaces ?? []).length === 0 &&
    term.namespaceSelector === undefined &&
    namespace === owner.metadata.namespace
  const selected =
    term.namespaceSelector !== undefined && labelSelectorOf(term.namespaceSelector).matches(namespaceLabels(namespace))
  if (!listed && !own && !selected) return false
  return labelSelectorOf(term.labelSelector).matches(other.metadata.labels) && matchKeysAgree(term, owner, other)
}

function matchKeysAgree(term: PodAffinityTerm, owner: Pod, other: Pod): boolean {
  const value = (pod: Pod, key: string) => pod.metadata.labels?.[key]
  const same = (term.matchLabelKeys ?? []).every(
    key => value(owner, key) === undefined || value(owner, key) === value(other, key),
  )
  return (
    same &&
    (term.mismatchLabelKeys ?? []).every(
      key => value(owner, key) === undefined || value(owner, key) !== value(other, key),
    )
  )
}

export type NamespaceLabels = (namespace: string) => { readonly [key: string]: string }

export function interPodAffinity(namespaceLabels: NamespaceLabels): Plugin {
  const selects = (term: PodAffinityTerm, owner: Pod, other: Pod) => termSelects(term, owner, other, namespaceLabels)
  return {
    name: 'InterPodAffinity',
    weight: 2,
    judge(pod, state) {
      const affinity = pod.spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
      const anti = pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
      const near = affinity.map(term => count(state, term, other => selects(term, pod, other)))
      const away = anti.map(term => count(state, term, other => selects(term, pod, other)))
      const repelled = repelledDomains(state, pod, selects)
      const selfOk = affinity.every(term => selects(term, pod, pod)) && near.every(domains => domains.size === 0)
      const scores = preferences(state, pod, selects)
      return {
        filter(node) {
          const affine = affinity.every((term, at) => {
            const domain = domainOf(node, term.topologyKey)
            return domain !== undefined && (selfOk || (near[at]!.get(domain) ?? 0) > 0)
          })
          if (!affine) return { reason: "node(s) didn't match pod affinity rules", unresolvable: true }
          if (anti.some((term, at) => (away[at]!.get(domainOf(node, term.topologyKey) ?? '') ?? 0) > 0))
            return { reason: "node(s) didn't match pod anti-affinity rules" }
          const labels = Object.entries(node.node.metadata.labels ?? {})
          if (repelled.size > 0 && labels.some(([key, value]) => repelled.has(`${key}=${value}`)))
            return { reason: "node(s) didn't satisfy existing pods anti-affinity rules" }
          return undefined
        },
        ...(scores.size === 0
          ? {}
          : {
              score: node =>
                Object.entries(node.node.metadata.labels ?? {}).reduce(
                  (sum, [key, value]) => sum + (scores.get(`${key}=${value}`) ?? 0),
                  0,
                ),
              normalize: 'highest' as const,
            }),
      }
    },
  }
}

function count(state: ClusterState, term: PodAffinityTerm, wanted: (pod: Pod) => boolean): Domains {
  const domains: Domains = new Map()
  for (const node of state.nodes.values()) {
    const domain = domainOf(node, term.topologyKey)
    if (domain === undefined) continue
    for (const pod of node.pods.values()) if (wanted(pod)) domains.set(domain, (domains.get(domain) ?? 0) + 1)
  }
  return domains
}

type Selects = (term: PodAffinityTerm, owner: Pod, other: Pod) => boolean

/** Domains that running pods keep the new one out of. */
function repelledDomains(state: ClusterState, pod: Pod, selects: Selects): ReadonlySet<string> {
  const domains = new Set<string>()
  for (const node of state.nodes.values())
    for (const other of node.pods.values())
      for (const term of other.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const domain = domainOf(node, term.topologyKey)
        if (domain !== undefined && selects(term, other, pod)) domains.add(domain)
      }
  return domains
}

/** Weighted wishes of the pod about others, and of others about the pod, by domain. */
function preferences(state: ClusterState, pod: Pod, selects: Selects): Domains {
  const scores: Domains = new Map()
  const wish = (node: NodeInfo, term: PodAffinityTerm, weight: number) => {
    const domain = domainOf(node, term.topologyKey)
    if (domain !== undefined) scores.set(domain, (scores.get(domain) ?? 0) + weight)
  }
  const wishes = (owner: Pod) => [
    ...(owner.spec.affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm, weight }) => ({ term: podAffinityTerm, weight }),
    ),
    ...(owner.spec.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm, weight }) => ({ term: podAffinityTerm, weight: -weight }),
    ),
  ]
  const own = wishes(pod)
  for (const node of state.nodes.values())
    for (const other of node.pods.values()) {
      for (const { term, weight } of own) if (selects(term, pod, other)) wish(node, term, weight)
      for (const { term, weight } of wishes(other)) if (selects(term, other, pod)) wish(node, term, weight)
    }
  return scores
}
