/** Writes roles and bindings straight into the store, before there is anyone who could ask the API to. */
import { randomUUID } from 'node:crypto'
import type { KubeObject } from '../../api/object.ts'
import { rfc3339 } from '../../api/time.ts'
import type { Clock } from '../kinds/kind.ts'
import type { ResourceStore, Store } from '../store/store.ts'
import type { RbacResource, RbacWriter } from './bootstrap-roles.ts'
import { rbacGroup } from './rbac.ts'

/** The four RBAC stores must be loaded. */
export function rbacWriter(store: Store, clock: Clock): RbacWriter {
  const cache = (resource: RbacResource): ResourceStore => {
    const loaded = store.loaded(rbacGroup, resource)
    if (!loaded) throw new Error(`the store of ${resource} is not loaded`)
    return loaded
  }
  const current = (resource: RbacResource, { metadata }: KubeObject) =>
    cache(resource).get(metadata.namespace ?? '', metadata.name ?? '')

  return {
    get: (resource, namespace, name) => cache(resource).get(namespace, name)?.object,
    create(resource, object) {
      const stamp = { uid: randomUUID(), creationTimestamp: rfc3339(clock.now()) }
      return cache(resource).create({ ...object, metadata: { ...object.metadata, ...stamp } })
    },
    async update(resource, object) {
      const stored = current(resource, object)
      if (!stored) return
      const { resourceVersion, ...metadata } = object.metadata
      await cache(resource).update({ ...object, metadata }, stored.revision)
    },
    async delete(resource, object) {
      const stored = current(resource, object)
      if (stored) await cache(resource).delete(stored.namespace, stored.name, stored.revision)
    },
  }
}
