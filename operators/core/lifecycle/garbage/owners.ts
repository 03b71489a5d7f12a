/** Whether an object's owners still hold it. */
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import type { KubeObject, OwnerReference } from '../../../../bootstrap/api/object.ts'
import { keyOf } from '../../../../bootstrap/api/object.ts'
import type { Cluster } from '../../../runtime/operator.ts'
import type { Located, Objects } from './objects.ts'

export const foreground = 'foregroundDeletion'
export const orphaning = 'orphan'

export interface Owners {
  /** There, and staying or going without waiting for its dependents. */
  readonly solid: readonly OwnerReference[]
  /** Not there, or another object under the name. */
  readonly dangling: readonly OwnerReference[]
  /** Being deleted in the foreground. */
  readonly waiting: readonly OwnerReference[]
}

const rememberedAbsent = 500

export class OwnerLookup {
  readonly #absent = new Set<string>()

  /** Sorts the object's owners. A missing one is asked of the server before it counts as absent. */
  async ownersOf(located: Located, objects: Objects, cluster: Cluster): Promise<Owners> {
    const solid: OwnerReference[] = []
    const dangling: OwnerReference[] = []
    const waiting: OwnerReference[] = []
    for (const reference of located.object.metadata.ownerReferences ?? []) {
      const state = await this.#stateOf(reference, located, objects, cluster)
      const list = state === 'absent' ? dangling : state === 'waiting' ? waiting : solid
      list.push(reference)
    }
    return { solid, dangling, waiting }
  }

  async #stateOf(
    reference: OwnerReference,
    located: Located,
    objects: Objects,
    cluster: Cluster,
  ): Promise<'solid' | 'absent' | 'waiting'> {
    const { object } = located
    const resource = objects.resourceOf(reference.apiVersion, reference.kind)
    if (!resource) return 'solid'
    const namespace = resource.namespaced ? object.metadata.namespace : undefined
    if (resource.namespaced && !namespace) {
      invalidNamespace(reference, object, cluster)
      return 'absent'
    }
    const name = { name: reference.name, namespace }
    const cached = objects.get(resource, keyOf({ metadata: name }))
    if (cached?.metadata.uid === reference.uid) return isWaiting(cached) ? 'waiting' : 'solid'
    const id = `${namespace}/${reference.uid}`
    if (this.#absent.has(id)) return 'absent'
    const live = await cluster.client.get(resource, name).catch(ignoreNotFound)
    if (live?.metadata.uid === reference.uid) return isWaiting(live) ? 'waiting' : 'solid'
    this.#remember(id)
    return 'absent'
  }

  #remember(id: string): void {
    this.#absent.add(id)
    if (this.#absent.size <= rememberedAbsent) return
    const [oldest = ''] = this.#absent
    this.#absent.delete(oldest)
  }
}

/** Being deleted in the foreground: it waits for its dependents. */
export function isWaiting(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(foreground)
}

function invalidNamespace({ apiVersion, kind, name, uid }: OwnerReference, object: KubeObject, { events }: Cluster) {
  const { namespace = '' } = object.metadata
  const owner = `${apiVersion}/${kind}, namespace: ${namespace}, name: ${name}, uid: ${uid}`
  const message = `ownerRef [${owner}] does not exist in namespace "${namespace}"`
  events.event(object, 'Warning', 'OwnerRefInvalidNamespace', message)
}
