/** The discovery documents: the aggregated form (apidiscovery.k8s.io) and the older one of groups and resource lists. */
import { createHash } from 'node:crypto'
import { apiVersionOf } from '../../api/object.ts'
import type { Kind, Subresource } from '../kinds/kind.ts'
import type { ServedGroup, ServedVersion } from './groups.ts'

export interface ResourceDiscovery {
  readonly resource: string
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string }
  readonly scope: 'Namespaced' | 'Cluster'
  readonly singularResource: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly subresources?: readonly unknown[]
}

/** A version of a group as the aggregated form has it. */
interface VersionDiscovery {
  readonly version: string
  readonly resources: readonly ResourceDiscovery[]
  readonly freshness: 'Current' | 'Stale'
}

/** A group as the aggregated form has it. */
export interface GroupDiscovery {
  readonly metadata: { readonly name: string; readonly creationTimestamp?: null }
  readonly versions: readonly VersionDiscovery[]
}

/** A group version of a server behind an APIService, and where it stands among others. */
export interface ExternalVersion {
  readonly group: string
  readonly groupPriority: number
  readonly versionPriority: number
  readonly document: VersionDiscovery
}

const unlessEmpty = <T>(name: string, list: readonly T[]) => (list.length === 0 ? {} : { [name]: list })

export function groupDiscovery(group: ServedGroup): GroupDiscovery {
  return {
    metadata: { name: group.name, creationTimestamp: null },
    versions: group.versions.map(({ version, kinds }) => ({
      version,
      resources: kinds.map(resourceDiscovery),
      freshness: 'Current',
    })),
  }
}

function resourceDiscovery(kind: Kind): ResourceDiscovery {
  const { group, version } = kind
  const below = kind.subresources.map(({ name, ...subresource }) => ({
    subresource: name,
    responseKind: { group, version, ...responseKind(subresource) },
    verbs: subresource.verbs,
  }))
  return {
    resource: kind.resource,
    responseKind: { group, version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...unlessEmpty('shortNames', kind.shortNames),
    ...unlessEmpty('categories', kind.categories),
    ...unlessEmpty('subresources', below),
  }
}

/** A subresource's own kind, with group and version only where they differ from its resource's. */
function responseKind({ group, version, kind }: Omit<Subresource, 'name'>) {
  return { ...(group === undefined ? {} : { group }), ...(version === undefined ? {} : { version }), kind }
}

export function aggregatedList(version: 'v2' | 'v2beta1', items: readonly GroupDiscovery[]): unknown {
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items }
}

function versionsOf(group: GroupDiscovery) {
  const name = group.metadata.name
  const versions = group.versions.map(({ version }) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }))
  return { name, versions, preferredVersion: versions[0] }
}

export function apiVersions(core: ServedGroup | undefined, serverAddress: string): unknown {
  return {
    kind: 'APIVersions',
    versions: core?.versions.map(({ version }) => version) ?? [],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  }
}

export function apiGroupList(groups: readonly GroupDiscovery[]): unknown {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(versionsOf) }
}

export function apiGroup(group: GroupDiscovery): unknown {
  return { kind: 'APIGroup', apiVersion: 'v1', ...versionsOf(group) }
}

export function apiResourceList(group: string, { version, kinds }: ServedVersion): unknown {
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: apiVersionOf({ group, version }),
    resources: kinds.flatMap(apiResources).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

function apiResources(kind: Kind): { name: string }[] {
  const resource = {
    name: kind.resource,
    singularName: kind.singular,
    namespaced: kind.namespaced,
    kind: kind.kind,
    verbs: kind.verbs,
    ...unlessEmpty('shortNames', kind.shortNames),
    ...unlessEmpty('categories', kind.categories),
    ...(kind.strategy.virtual ? {} : { storageVersionHash: storageVersionHash(kind) }),
  }
  const below = kind.subresources.map(({ name, ...subresource }) => ({
    name: `${kind.resource}/${name}`,
    singularName: '',
    namespaced: kind.namespaced,
    ...responseKind(subresource),
    verbs: subresource.verbs,
  }))
  return [resource, ...below]
}

/** Lets clients see when the stored version changes. */
function storageVersionHash({ storage, kind }: Kind): string {
  const text = `${storage.group}/${storage.version}/${kind}`
  return createHash('sha256').update(text).digest().subarray(0, 8).toString('base64')
}
