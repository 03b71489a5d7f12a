/** The served kinds as groups and versions, in the order discovery lists them. */
import type { Kind } from '../kinds/kind.ts'

export interface ServedVersion {
  readonly version: string
  readonly kinds: readonly Kind[]
}

export interface ServedGroup {
  readonly name: string
  /** The first is the preferred one. */
  readonly versions: readonly ServedVersion[]
}

const versionForm = /^v(\d+)(?:(alpha|beta)(\d+))?$/
const stages = ['alpha', 'beta', undefined]

/** Orders versions as upstream ranks them: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [versionForm.exec(a), versionForm.exec(b)]
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : Number(a > b)
  return (
    stages.indexOf(right[2]) - stages.indexOf(left[2]) ||
    Number(right[1]) - Number(left[1]) ||
    Number(right[3] ?? 0) - Number(left[3] ?? 0)
  )
}

const byName = (a: string, b: string) => (a < b ? -1 : Number(a > b))

/** Groups of built-in kinds keep the registry's order, custom ones follow by name with their versions by rank. */
export function servedGroups(kinds: Iterable<Kind>): ServedGroup[] {
  const groups = new Map<string, { builtIn: boolean; versions: Map<string, Kind[]> }>()
  for (const kind of kinds) {
    const group = groups.get(kind.group) ?? { builtIn: !kind.custom, versions: new Map<string, Kind[]>() }
    groups.set(kind.group, group)
    const version = group.versions.get(kind.version)
    if (version) version.push(kind)
    else group.versions.set(kind.version, [kind])
  }
  const all = [...groups].sort(([a, { builtIn: first }], [b, { builtIn: second }]) =>
    first || second ? Number(second) - Number(first) : byName(a, b),
  )
  return all.map(([name, { builtIn, versions }]) => {
    const listed = [...versions].map(([version, kinds]) => ({
      version,
      kinds: kinds.sort((a, b) => byName(a.resource, b.resource)),
    }))
    return { name, versions: builtIn ? listed : listed.sort((a, b) => compareVersions(a.version, b.version)) }
  })
}
