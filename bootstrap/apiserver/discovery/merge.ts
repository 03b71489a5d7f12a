/** The groups of this server and those behind APIServices as one list, in the order their priorities give. */
import { builtInPriority, customPriority, localGroupPriority } from '../extension/aggregation/priorities.ts'
import type { ExternalVersion, GroupDiscovery } from './documents.ts'
import { groupDiscovery } from './documents.ts'
import { compareVersions, type ServedGroup } from './groups.ts'

type Version = GroupDiscovery['versions'][number]

interface Ranked {
  readonly name: string
  priority: number
  readonly versions: { readonly priority: number; readonly document: Version }[]
}

/** A version that both have is the other server's. */
export function mergedGroups(served: readonly ServedGroup[], others: readonly ExternalVersion[]): GroupDiscovery[] {
  const groups = new Map<string, Ranked>(served.map(group => [group.name, rankedOf(group)]))
  for (const { group, groupPriority, versionPriority, document } of others) {
    const ranked = groups.get(group) ?? { name: group, priority: groupPriority, versions: [] }
    groups.set(group, ranked)
    ranked.priority = Math.max(ranked.priority, groupPriority)
    const same = ranked.versions.findIndex(version => version.document.version === document.version)
    ranked.versions.splice(same < 0 ? ranked.versions.length : same, same < 0 ? 0 : 1, {
      priority: versionPriority,
      document,
    })
    ranked.versions.sort((a, b) => b.priority - a.priority || compareVersions(a.document.version, b.document.version))
  }
  const builtIn = new Map(served.map(({ name }, index) => [name, index]))
  const order = [...groups.values()].sort(
    (a, b) =>
      b.priority - a.priority ||
      (builtIn.get(a.name) ?? builtIn.size) - (builtIn.get(b.name) ?? builtIn.size) ||
      (a.name < b.name ? -1 : 1),
  )
  return order.map(({ name, versions }) => ({
    metadata: { name, creationTimestamp: null },
    versions: versions.map(({ document }) => document),
  }))
}

function rankedOf(group: ServedGroup): Ranked {
  const custom = group.versions.every(({ kinds }) => kinds.every(kind => kind.custom))
  const priorityOf = (version: string) => (custom ? customPriority : builtInPriority(group.name, version))?.version ?? 1
  return {
    name: group.name,
    priority: localGroupPriority(group.name, custom),
    versions: groupDiscovery(group).versions.map(document => ({ priority: priorityOf(document.version), document })),
  }
}
