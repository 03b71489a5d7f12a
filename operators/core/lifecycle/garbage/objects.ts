/** All collectable objects of the cluster, through one informer per discovered resource, found by uid and by owner. */
import { type KubeObject, keyOf, type ObjectKey, parseApiVersion } from '../../../../bootstrap/api/object.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import type { Informer } from '../../../../bootstrap/client/informer.ts'
import { discover } from '../../../runtime/discovery.ts'
import type { Change, Cluster } from '../../../runtime/operator.ts'

export interface Located {
  readonly resource: Resource
  readonly object: KubeObject
}

type Listener = (located: Located, old: KubeObject | undefined, change: Change) => void

const byOwner = 'owner-uids'
const needed = ['delete', 'list', 'watch']
/** Events come and go by the thousand and own nothing. */
const ignored = new Set(['/events', 'events.k8s.io/events'])
const syncTimeoutMs = 10_000

export class Objects {
  readonly #cluster: Cluster
  readonly #listener: Listener
  readonly #informers = new Map<string, { informer: Informer; end: () => void }>()
  readonly #byKind = new Map<string, Resource>()

  constructor(cluster: Cluster, listener: Listener) {
    this.#cluster = cluster
    this.#listener = listener
  }

  /** Starts following resources that are new, and stops following those that are gone. */
  async refresh(): Promise<void> {
    const { resources, failures } = await discover(this.#cluster.client)
    const wanted = resources.filter(
      ({ group, resource, verbs }) =>
        needed.every(verb => verbs.includes(verb)) && !ignored.has(`${group}/${resource}`),
    )
    const paths = new Set(wanted.map(pathOf))
    for (const [path, { informer, end }] of this.#informers) {
      if (paths.has(path) || failures.some(({ groupVersion }) => path.startsWith(`${groupVersion}/`))) continue
      end()
      this.#informers.delete(path)
      this.#byKind.delete(kindKey(informer.resource.group, informer.resource.kind))
      this.#cluster.informers.drop?.(informer.resource)
    }
    const added = wanted
      .filter(resource => !this.#informers.has(pathOf(resource)))
      .map(resource => this.#follow(resource))
    await this.#synced(added)
    for (const informer of added) this.#listen(informer)
  }

  /** The object at a key made by `locate`. */
  at(key: ObjectKey): Located | undefined {
    const [path = '', name = ''] = key.split('|')
    const informer = this.#informers.get(path)?.informer
    const object = informer?.get(name)
    return informer && object ? { resource: informer.resource, object } : undefined
  }

  /** The resource of a kind, whatever version it is named in. */
  resourceOf(apiVersion: string, kind: string): Resource | undefined {
    return this.#byKind.get(kindKey(parseApiVersion(apiVersion).group, kind))
  }

  get(resource: Resource, key: ObjectKey): KubeObject | undefined {
    return this.#informers.get(pathOf(resource))?.informer.get(key)
  }

  /** Objects with an owner reference to this uid. */
  dependentsOf(uid: string | undefined): readonly Located[] {
    const found: Located[] = []
    for (const { informer } of this.#informers.values())
      for (const object of informer.byIndex(byOwner, uid ?? '')) found.push({ resource: informer.resource, object })
    return found
  }

  #follow(resource: Resource): Informer {
    const informer = this.#cluster.informers.get(resource)
    informer.addIndex(byOwner, object => object.metadata.ownerReferences?.map(owner => owner.uid) ?? [])
    this.#informers.set(pathOf(resource), { informer, end: () => {} })
    this.#byKind.set(kindKey(resource.group, resource.kind), resource)
    return informer
  }

  /** Waits for the caches, but not for ever: a resource that cannot be listed must not stop all the others. */
  async #synced(informers: readonly Informer[]): Promise<void> {
    if (informers.every(informer => informer.synced)) return
    const { clock, signal } = this.#cluster
    const enough = new AbortController()
    const timeout = clock.sleep(syncTimeoutMs, AbortSignal.any([signal, enough.signal])).catch(() => {})
    await Promise.race([Promise.allSettled(informers.map(informer => informer.whenSynced())), timeout])
    enough.abort()
  }

  #listen(informer: Informer): void {
    const { resource } = informer
    const tell = (object: KubeObject, old: KubeObject | undefined, change: Change) =>
      this.#listener({ resource, object }, old, change)
    const end = informer.subscribe({
      added: object => tell(object, undefined, 'added'),
      updated: (object, old) => tell(object, old, 'updated'),
      deleted: object => tell(object, undefined, 'deleted'),
    })
    this.#informers.set(pathOf(resource), { informer, end })
  }
}

/** A work queue key that finds the object again. */
export function locate({ resource, object }: Located): ObjectKey {
  return `${pathOf(resource)}|${keyOf(object)}`
}

const pathOf = ({ group, version, resource }: { group: string; version: string; resource: string }) =>
  `${group === '' ? version : `${group}/${version}`}/${resource}`

const kindKey = (group: string, kind: string) => `${group}/${kind}`
