/** Where objects live in the datastore: /registry/<group or "core">/<resource>[/<namespace>]/<name>. */
import type { Key } from '../../datastore/datastore.ts'

export const registryPrefix = '/registry/'

/** The prefix of a resource's keys; with a namespace, of that namespace's. */
export function prefixOf(group: string, resource: string, namespace = ''): string {
  const all = `${registryPrefix}${group === '' ? 'core' : group}/${resource}/`
  return namespace === '' ? all : `${all}${namespace}/`
}

/** The resource prefix a key belongs to. */
export function resourcePrefixOf(key: Key): string {
  const resource = key.indexOf('/', registryPrefix.length) + 1
  return key.slice(0, key.indexOf('/', resource) + 1)
}

/** Namespace ('' when cluster-scoped) and name of a key under a resource's prefix. */
export function placeOf(key: Key, prefix: string): { readonly namespace: string; readonly name: string } {
  const slash = key.lastIndexOf('/')
  return slash < prefix.length
    ? { namespace: '', name: key.slice(prefix.length) }
    : { namespace: key.slice(prefix.length, slash), name: key.slice(slash + 1) }
}
