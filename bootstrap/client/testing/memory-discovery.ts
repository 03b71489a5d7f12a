/** The discovery documents of the in-memory client. */
import { errors } from '../../api/errors.ts'
import { apiVersionOf, parseApiVersion } from '../../api/object.ts'
import type { Resource } from '../client.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** The document at `/api`, `/apis` or the path of one group version. Throws NotFound for anything else. */
export function discovery(resources: readonly Resource[], path: string): unknown {
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
  if (path === '/apis') return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups(resources) }
  const groupVersion = path.replace(/^\/apis?\//, '')
  const { group, version } = parseApiVersion(groupVersion)
  const found = resources.filter(resource => resource.group === group && resource.version === version)
  if (found.length === 0) throw errors.unknownPath()
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion,
    resources: found.map(({ resource: name, kind, namespaced }) => ({ name, kind, namespaced, verbs })),
  }
}

function groups(resources: readonly Resource[]): unknown[] {
  const names = new Set(resources.map(resource => resource.group).filter(group => group !== ''))
  return [...names].map(name => {
    const versions = new Set(resources.filter(resource => resource.group === name).map(resource => resource.version))
    const list = [...versions].map(version => ({ groupVersion: apiVersionOf({ group: name, version }), version }))
    return { name, versions: list, preferredVersion: list[0] }
  })
}
