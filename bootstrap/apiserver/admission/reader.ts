/** ObjectReader over the store: current objects, synchronously. */
import type { Store } from '../store/store.ts'
import type { ObjectReader } from './plugin.ts'

/** What authentication, authorization and admission read. "group/resource"; a leading "*" marks cluster-scoped ones. */
const needed = [
  '*/namespaces',
  '*/nodes',
  '*/persistentvolumes',
  '/limitranges',
  '/persistentvolumeclaims',
  '/pods',
  '/resourcequotas',
  '/secrets',
  '/serviceaccounts',
  '*networking.k8s.io/ingressclasses',
  '*node.k8s.io/runtimeclasses',
  '*rbac.authorization.k8s.io/clusterrolebindings',
  '*rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/roles',
  '*scheduling.k8s.io/priorityclasses',
  '*storage.k8s.io/storageclasses',
  '*storage.k8s.io/volumeattachments',
]

/** Loads what is needed and resolves with a reader. A resource that nobody has loaded reads as empty. */
export async function openReader(store: Store): Promise<ObjectReader> {
  await Promise.all(
    needed.map(entry => {
      const namespaced = !entry.startsWith('*')
      const [group = '', resource = ''] = (namespaced ? entry : entry.slice(1)).split('/')
      return store.resource(group, resource, namespaced)
    }),
  )
  return {
    get: (group, resource, namespace, name) => store.loaded(group, resource)?.get(namespace, name)?.object,
    list: (group, resource, namespace) =>
      Array.from(store.loaded(group, resource)?.all(namespace) ?? [], stored => stored.object),
  }
}
