/** Deletes what no owner holds any more, and carries out orphaning and foreground deletion (pkg/controller/garbagecollector). */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import type { KubeObject, ObjectKey, OwnerReference } from '../../../../bootstrap/api/object.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import { apiServices, customResourceDefinitions } from '../../../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf, retryOnConflict } from '../../../runtime/apply.ts'
import { isTrue } from '../../../runtime/conditions.ts'
import { type Change, type Cluster, done, type Operator, on, type Result } from '../../../runtime/operator.ts'
import { isTerminating } from '../../../runtime/pods.ts'
import { type Located, locate, Objects } from './objects.ts'
import { foreground, isWaiting, OwnerLookup, orphaning } from './owners.ts'

const discovery = 'discovery'

export function garbageCollector(): Operator {
  const collector = new GarbageCollector()
  return {
    name: 'garbage-collector-controller',
    watches: [
      on(customResourceDefinitions, (crd, old, change) =>
        change === 'updated' && established(crd) === established(old) ? undefined : discovery,
      ),
      on(apiServices, (service, old, change) =>
        change === 'updated' && available(service) === available(old) ? undefined : discovery,
      ),
    ],
    concurrency: 20,
    run: async (cluster, enqueue) => collector.run(cluster, enqueue),
    reconcile: (key, cluster) => collector.reconcile(key, cluster),
  }
}

type Conditional = {
  readonly status?: { readonly conditions?: readonly { type: string; status: string }[] | undefined } | undefined
}

const established = (object: Conditional | undefined) => isTrue(object?.status?.conditions, 'Established')
const available = (object: Conditional | undefined) => isTrue(object?.status?.conditions, 'Available')

class GarbageCollector {
  readonly #owners = new OwnerLookup()
  #objects: Objects | undefined
  #enqueue: (key: ObjectKey) => void = () => {}

  run(cluster: Cluster, enqueue: (key: ObjectKey) => void): void {
    this.#enqueue = enqueue
    this.#objects = new Objects(cluster, (located, old, change) => this.#changed(located, old, change))
    enqueue(discovery)
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const objects = this.#objects
    if (!objects) return { requeueAfterMs: 1 }
    if (key === discovery) {
      await objects.refresh()
      return done
    }
    const located = objects.at(key)
    if (!located) return done
    const { metadata } = located.object
    if (isTerminating(located.object)) {
      if (metadata.finalizers?.includes(orphaning)) await this.#orphan(located, objects, cluster)
      else if (isWaiting(located.object)) await this.#awaitDependents(located, objects, cluster)
      return done
    }
    if ((metadata.ownerReferences ?? []).length > 0) await this.#attemptToDelete(located, objects, cluster)
    return done
  }

  #changed(located: Located, old: KubeObject | undefined, change: Change): void {
    const { object } = located
    const objects = this.#objects
    if (!objects) return
    if (change === 'deleted') {
      this.#enqueueAll(objects.dependentsOf(object.metadata.uid))
      this.#enqueueWaitingOwners(object, objects)
      return
    }
    if (isTerminating(object)) {
      this.#enqueue(locate(located))
      if (isWaiting(object) && !(old && isWaiting(old))) this.#enqueueAll(objects.dependentsOf(object.metadata.uid))
    } else if (this.#needsLook(object, old, objects)) this.#enqueue(locate(located))
    if (old && old.metadata.ownerReferences !== object.metadata.ownerReferences)
      this.#enqueueWaitingOwners(old, objects)
  }

  /** Owners that are all there and not waiting need no work until one of them changes. */
  #needsLook(object: KubeObject, old: KubeObject | undefined, objects: Objects): boolean {
    const references = object.metadata.ownerReferences
    if (!references?.length || (old && old.metadata.ownerReferences === references)) return false
    return references.some(reference => {
      const owner = this.#cached(reference, object, objects)
      return owner?.metadata.uid !== reference.uid || isWaiting(owner)
    })
  }

  #cached(reference: OwnerReference, object: KubeObject, objects: Objects): KubeObject | undefined {
    const resource = objects.resourceOf(reference.apiVersion, reference.kind)
    if (!resource) return undefined
    const { namespace } = object.metadata
    return objects.get(resource, resource.namespaced && namespace ? `${namespace}/${reference.name}` : reference.name)
  }

  #enqueueAll(dependents: readonly Located[]): void {
    for (const dependent of dependents) this.#enqueue(locate(dependent))
  }

  #enqueueWaitingOwners(object: KubeObject, objects: Objects): void {
    for (const reference of object.metadata.ownerReferences ?? []) {
      const resource = objects.resourceOf(reference.apiVersion, reference.kind)
      const owner = this.#cached(reference, object, objects)
      if (resource && owner && isWaiting(owner)) this.#enqueue(locate({ resource, object: owner }))
    }
  }

  async #attemptToDelete({ resource, object }: Located, objects: Objects, cluster: Cluster): Promise<void> {
    const latest = await current(cluster, resource, object)
    if (!latest || latest.metadata.uid !== object.metadata.uid) return
    const located = { resource, object: latest }
    const { solid, dangling, waiting } = await this.#owners.ownersOf(located, objects, cluster)
    if (solid.length > 0) {
      const lost = [...dangling, ...waiting].map(reference => reference.uid)
      if (lost.length > 0) await withoutOwners(cluster, located, lost)
      return
    }
    if (dangling.length === 0 && waiting.length === 0) return
    const dependents = objects.dependentsOf(latest.metadata.uid)
    if (waiting.length > 0 && dependents.length > 0) {
      if (dependents.some(dependent => isWaiting(dependent.object))) await unblockOwners(cluster, located)
      await deleteIfPresent(cluster.client, resource, latest, { propagationPolicy: 'Foreground' })
    } else await deleteIfPresent(cluster.client, resource, latest, { propagationPolicy: policyOf(latest) })
  }

  /** Lets a foreground deletion finish once nothing blocks it, and otherwise deletes what does. */
  async #awaitDependents(located: Located, objects: Objects, cluster: Cluster): Promise<void> {
    const { uid } = located.object.metadata
    const dependents = objects.dependentsOf(uid)
    const blocking = dependents.filter(({ object }) =>
      object.metadata.ownerReferences?.some(owner => owner.uid === uid && owner.blockOwnerDeletion === true),
    )
    if (blocking.length === 0) await withoutFinalizer(cluster, located, foreground)
    else this.#enqueueAll(blocking.filter(({ object }) => !isTerminating(object)))
  }

  async #orphan(located: Located, objects: Objects, cluster: Cluster): Promise<void> {
    const { uid = '' } = located.object.metadata
    await Promise.all(objects.dependentsOf(uid).map(dependent => withoutOwners(cluster, dependent, [uid])))
    await withoutFinalizer(cluster, located, orphaning)
  }
}

/** Keeps the way of deletion an earlier request asked for. */
function policyOf({ metadata }: KubeObject): 'Orphan' | 'Foreground' | 'Background' {
  if (metadata.finalizers?.includes(orphaning)) return 'Orphan'
  return metadata.finalizers?.includes(foreground) ? 'Foreground' : 'Background'
}

async function current({ client }: Cluster, resource: Resource, object: KubeObject): Promise<KubeObject | undefined> {
  return await client.get(resource, nameOf(object)).catch(ignoreNotFound)
}

type Edit = (metadata: KubeObject['metadata']) => object | undefined

/** Patches the latest metadata of the same object; an object that is gone needs no patch. */
async function edit(cluster: Cluster, { resource, object }: Located, change: Edit): Promise<void> {
  await retryOnConflict(async () => {
    const latest = await current(cluster, resource, object)
    const changed = latest?.metadata.uid === object.metadata.uid ? change(latest?.metadata ?? {}) : undefined
    if (!changed) return
    const { uid, resourceVersion } = latest?.metadata ?? {}
    const metadata = { uid, resourceVersion, ...changed }
    await cluster.client.patch(resource, nameOf(object), { metadata }, { type: 'merge' }).catch(ignoreNotFound)
  })
}

function withoutOwners(cluster: Cluster, located: Located, uids: readonly string[]): Promise<void> {
  return edit(cluster, located, ({ ownerReferences = [] }) => {
    const kept = ownerReferences.filter(owner => !uids.includes(owner.uid))
    return kept.length === ownerReferences.length ? undefined : { ownerReferences: kept.length > 0 ? kept : null }
  })
}

/** Breaks a circle of objects that wait for each other. */
function unblockOwners(cluster: Cluster, located: Located): Promise<void> {
  return edit(cluster, located, ({ ownerReferences = [] }) => ({
    ownerReferences: ownerReferences.map(owner => ({ ...owner, blockOwnerDeletion: false })),
  }))
}

function withoutFinalizer(cluster: Cluster, located: Located, finalizer: string): Promise<void> {
  return edit(cluster, located, ({ finalizers = [] }) => {
    const kept = finalizers.filter(other => other !== finalizer)
    return kept.length === finalizers.length ? undefined : { finalizers: kept.length > 0 ? kept : null }
  })
}
