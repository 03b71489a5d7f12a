/** Stored objects for those inside the server that must not wait: the caches they read are filled before it is ready. */
import type { KubeObject } from '../api/object.ts'
import type { ObjectReader } from './admission/plugin.ts'
import type { Store } from './store/store.ts'

/** What admission, authentication and authorization read: group, resource, and whether it is namespaced. */
const needed: readonly (readonly [group: string, resource: string, namespaced: boolean])[] = [
  ['', 'namespaces', false],
  ['', 'nodes', false],
  ['', 'pods', true],
  ['', 'secrets', true],
  ['', 'serviceaccounts', true],
  ['', 'limitranges', true],
  ['', 'resourcequotas', true],
  ['', 'persistentvolumes', false],
  ['', 'persistentvolumeclaims', true],
  ['', 'services', true],
  ['', 'configmaps', true],
  ['', 'replicationcontrollers', true],
  ['rbac.authorization.k8s.io', 'roles', true],
  ['rbac.authorization.k8s.io', 'rolebindings', true],
  ['rbac.authorization.k8s.io', 'clusterroles', false],
  ['rbac.authorization.k8s.io', 'clusterrolebindings', false],
  ['storage.k8s.io', 'storageclasses', false],
  ['storage.k8s.io', 'volumeattachments', false],
  ['networking.k8s.io', 'ingressclasses', false],
  ['scheduling.k8s.io', 'priorityclasses', false],
  ['node.k8s.io', 'runtimeclasses', false],
]

/** Resolves once everything needed can be read. A resource that nobody has used yet reads as empty. */
export async function objectReader(store: Store): Promise<ObjectReader> {
  await Promise.all(needed.map(([group, resource, namespaced]) => store.resource(group, resource, namespaced)))
  return {
    get: (group, resource, namespace, name) => store.loaded(group, resource)?.get(namespace, name)?.object,
    list(group, resource, namespace) {
      const found: KubeObject[] = []
      for (const stored of store.loaded(group, resource)?.all(namespace) ?? []) found.push(stored.object)
      return found
    },
  }
}
