/**
 * The Service default/kubernetes and its endpoints come back when somebody deletes or changes them (upstream:
 * controlplane/controller/kubernetesservice, which looks every ten seconds).
 */
import type { KubeObject } from '../api/object.ts'
import { followStore } from './auth/follow.ts'
import type { Store } from './store/store.ts'

/** Calls `restore` after such a change, once for those that come together. Settles when the signal aborts. */
export async function keepKubernetesService(
  store: Store,
  restore: () => Promise<void>,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  let scheduled = false
  const touched = ({ metadata }: KubeObject) => {
    if (metadata.name !== 'kubernetes' || metadata.namespace !== 'default' || scheduled) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      if (!signal.aborted) restore().catch(onError)
    })
  }
  const follower = { clear: () => {}, set: touched, delete: touched }
  const stores = await Promise.all([
    store.resource('', 'services', true),
    store.resource('', 'endpoints', true),
    store.resource('discovery.k8s.io', 'endpointslices', true),
  ])
  await Promise.all(stores.map(one => followStore(one, follower, signal)))
}
