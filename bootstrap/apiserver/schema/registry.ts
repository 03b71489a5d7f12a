/** What the API serves: the built-in resources from the tables of facts, and custom ones added while running. */
import { apiVersionOf, type GroupVersionKind, parseApiVersion } from '../../api/object.ts'
import type { Kind, Strategy, Subresource } from '../kinds/kind.ts'
import { conversionOf } from './convert.ts'
import { schemaOf } from './models.ts'
import type { Schema } from './schema.ts'
import { type ResourceRow, schemaTables } from './tables.ts'

export { schemaOf } from './models.ts'

export interface KindRegistry {
  /** Every served resource, in discovery order: built-in groups first, then custom ones as they were added. */
  all(): Iterable<Kind>
  byResource(group: string, version: string, resource: string): Kind | undefined
  /** Also finds kinds that are served only below a resource (Scale, Eviction, TokenRequest) or never (Status,
   * DeleteOptions): those have resource '' and a virtual strategy. */
  byKind(group: string, version: string, kind: string): Kind | undefined
  /** Serves a kind; one with the same group, version and resource is replaced. */
  add(kind: Kind): void
  remove(group: string, version: string, resource: string): void
  /** Grows with every change. */
  readonly revision: number
  /** Calls back after every change until the returned function is called. */
  onChange(callback: () => void): () => void
}

const eightVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const subresourceVerbs = ['get', 'patch', 'update']

/**
 * A registry of all built-in kinds. `strategyOf` gives each its behaviour; schemas are resolved only when walked.
 */
export function kindRegistry(strategyOf: (group: string, kind: string) => Strategy = () => ({})): KindRegistry {
  const kinds = new Map<string, Kind>()
  const byKind = new Map<string, Kind>()
  const listeners = new Set<() => void>()
  let revision = 1

  const put = (kind: Kind) => {
    kinds.set(key(kind.group, kind.version, kind.resource), kind)
    byKind.set(key(kind.group, kind.version, kind.kind), kind)
  }
  const changed = () => {
    revision++
    for (const listener of [...listeners]) listener()
  }
  for (const row of schemaTables().resources) put(builtInKind(row, strategyOf))
  return {
    all: () => kinds.values(),
    byResource: (group, version, resource) => kinds.get(key(group, version, resource)),
    byKind(group, version, kind) {
      const known = byKind.get(key(group, version, kind))
      if (known) return known
      const unlisted = unlistedKind(group, version, kind)
      if (unlisted) byKind.set(key(group, version, kind), unlisted)
      return unlisted
    },
    add(kind) {
      const replaced = kinds.get(key(kind.group, kind.version, kind.resource))
      if (replaced) byKind.delete(key(replaced.group, replaced.version, replaced.kind))
      put(kind)
      changed()
    },
    remove(group, version, resource) {
      const removed = kinds.get(key(group, version, resource))
      if (!removed) return
      kinds.delete(key(group, version, resource))
      byKind.delete(key(group, version, removed.kind))
      changed()
    },
    get revision() {
      return revision
    },
    onChange(callback) {
      listeners.add(callback)
      return () => listeners.delete(callback)
    },
  }
}

const key = (group: string, version: string, name: string) => `${group}/${version}/${name}`

function builtInKind(row: ResourceRow, strategyOf: (group: string, kind: string) => Strategy): Kind {
  const { group, version } = parseApiVersion(row.groupVersion)
  const { options, kind, resource } = row
  const [storageGroup = group, storageResource = resource, storageVersion = version] = options.storage?.split('/') ?? []
  const convert = conversionOf(group, version, kind)
  const strategy = strategyOf(group, kind)
  return {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    resource,
    singular: kind.toLowerCase(),
    shortNames: options.short?.split(',') ?? [],
    categories: options.categories?.split(',') ?? [],
    namespaced: options.cluster === undefined,
    verbs: options.verbs?.split(',') ?? eightVerbs,
    subresources: row.subresources.map(subresource),
    get schema() {
      return schemaOf(modelName({ group, version, kind })!)
    },
    strategy: options.virtual === undefined ? strategy : { ...strategy, virtual: true },
    storage: { group: storageGroup, resource: storageResource, version: storageVersion },
    ...(convert ? { convert } : {}),
    custom: false,
  }
}

function subresource(row: ResourceRow['subresources'][number]): Subresource {
  const group = row.options.group
  return {
    name: row.name,
    kind: row.kind,
    ...(group === undefined ? {} : parseApiVersion(group)),
    verbs: row.options.verbs?.split(',') ?? subresourceVerbs,
  }
}

let modelsByKind: Map<string, string> | undefined

/** The model of a built-in kind, e.g. "io.k8s.api.autoscaling.v1.Scale"; also of lists, options and Status. */
export function modelName({ group, version, kind }: GroupVersionKind): string | undefined {
  if (!modelsByKind) {
    modelsByKind = new Map()
    for (const [name, row] of Object.entries(schemaTables().models))
      for (const groupVersion of row.kinds ?? [])
        modelsByKind.set(`${groupVersion}/${name.slice(name.lastIndexOf('.') + 1)}`, name)
  }
  return modelsByKind.get(`${apiVersionOf({ group, version })}/${kind}`)
}

function unlistedKind(group: string, version: string, kind: string): Kind | undefined {
  const name = modelName({ group, version, kind })
  if (name === undefined) return undefined
  const schema: Schema = schemaOf(name)
  return {
    group,
    version,
    kind,
    listKind: '',
    resource: '',
    singular: '',
    shortNames: [],
    categories: [],
    namespaced: false,
    verbs: [],
    subresources: [],
    schema,
    strategy: { virtual: true },
    storage: { group, resource: '', version },
    custom: false,
  }
}
