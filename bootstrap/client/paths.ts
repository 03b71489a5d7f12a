/** Where resources live below the API's root. */
import type { Name, Resource } from './client.ts'

type Place = Pick<Resource, 'group' | 'version' | 'resource' | 'namespaced'>

/** "/api/v1" or "/apis/apps/v1". */
export function groupPath({ group, version }: { group: string; version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`
}

/** The path of a collection, in one namespace or in all. */
export function collectionPath(resource: Place, namespace: string | undefined): string {
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${groupPath(resource)}${scope}/${resource.resource}`
}

/** The path of one object, or of a subresource of it. */
export function objectPath(resource: Place, name: Name, subresource?: string): string {
  const path = `${collectionPath(resource, name.namespace)}/${encodeURIComponent(name.name)}`
  return subresource ? `${path}/${subresource}` : path
}

/** "?a=b&c=d" of the members that are set, or nothing. */
export function queryText(query: { readonly [key: string]: string | number | boolean | undefined }): string {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== '' && value !== false)
  const text = new URLSearchParams(set.map(([key, value]): [string, string] => [key, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}
