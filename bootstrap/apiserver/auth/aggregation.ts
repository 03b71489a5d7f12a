/** Aggregated ClusterRoles: their rules are those of the roles their selectors match (upstream: controller/clusterroleaggregation). */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../api/object.ts'
import { selects } from '../../api/selectors.ts'
import type { ClusterRole, PolicyRule } from '../../api/types.gen.ts'
import type { ResourceStore } from '../store/store.ts'
import { followStore } from './follow.ts'

/** The rules an aggregated role should have, given all ClusterRoles. */
export function aggregatedRules(role: KubeObject, all: readonly KubeObject[]): PolicyRule[] {
  const selectors = (role as unknown as ClusterRole).aggregationRule?.clusterRoleSelectors ?? []
  const others = all
    .filter(other => other.metadata.name !== role.metadata.name)
    .sort((a, b) => (a.metadata.name! < b.metadata.name! ? -1 : 1))
  const rules: PolicyRule[] = []
  for (const selector of selectors) {
    for (const other of others.filter(one => selects(selector, one.metadata.labels))) {
      for (const rule of (other as unknown as ClusterRole).rules ?? []) {
        if (!rules.some(known => isDeepStrictEqual(known, rule))) rules.push(rule)
      }
    }
  }
  return rules
}

/** Aggregated roles whose rules are out of date, with the right ones. */
export function staleAggregations(all: readonly KubeObject[]): KubeObject[] {
  return all.flatMap(role => {
    if (!(role as unknown as ClusterRole).aggregationRule) return []
    const rules = aggregatedRules(role, all)
    return isDeepStrictEqual(rules, (role as unknown as ClusterRole).rules ?? []) ? [] : [{ ...role, rules }]
  })
}

/**
 * Follows the store of ClusterRoles and hands every aggregated role that should have other rules to `update`. A failed
 * update (a conflict, say) is left to the next change. Settles when the signal aborts.
 */
export function followAggregation(
  store: ResourceStore,
  update: (role: KubeObject) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let scheduled = false
  const recompute = () => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      for (const role of staleAggregations(Array.from(store.all(), stored => stored.object)))
        update(role).catch(() => {})
    })
  }
  return followStore(store, { clear: recompute, set: recompute, delete: recompute }, signal)
}
