/** The objects quotas count, of whatever kind, through informers that start when a quota first names their resource. */
import type { GroupResource, KubeObject } from '../../../../bootstrap/api/object.ts'
import { groupResourceText } from '../../../../bootstrap/api/object.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import type { Informer } from '../../../../bootstrap/client/informer.ts'
import * as builtIn from '../../../../bootstrap/client/resources.ts'
import { discover } from '../../../runtime/discovery.ts'
import type { Cluster } from '../../../runtime/operator.ts'

type Changed = (resource: GroupResource, object: KubeObject) => void

interface Followed {
  readonly informer: Informer
  readonly end: () => void
}

export class CountedObjects {
  readonly #changed: Changed
  readonly #followed = new Map<string, Followed>()

  /** `changed` hears of every object that comes or goes. */
  constructor(changed: Changed) {
    this.#changed = changed
  }

  /**
   * The objects of one namespace; none of a resource that is not served. Undefined while the cache fills: `later` is then
   * called once it has.
   */
  async list(
    resource: GroupResource,
    namespace: string,
    cluster: Cluster,
    later: () => void,
  ): Promise<readonly KubeObject[] | undefined> {
    const informer =
      this.#followed.get(groupResourceText(resource))?.informer ?? (await this.#follow(resource, cluster))
    if (!informer) return []
    if (informer.synced) return informer.list(namespace)
    informer.whenSynced().then(later, () => {})
    return undefined
  }

  /** The resource is no longer served. `name` is that of its CustomResourceDefinition. */
  forget(name: string): void {
    this.#followed.get(name)?.end()
    this.#followed.delete(name)
  }

  async #follow(counted: GroupResource, cluster: Cluster): Promise<Informer | undefined> {
    const resource = known(counted) ?? (await served(counted, cluster))
    if (!resource?.namespaced) return undefined
    const name = groupResourceText(counted)
    const raced = this.#followed.get(name)
    if (raced) return raced.informer
    const informer = cluster.informers.get(resource)
    const tell = (object: KubeObject) => this.#changed(counted, object)
    this.#followed.set(name, { informer, end: informer.subscribe({ added: tell, deleted: tell }) })
    return informer
  }
}

const sameAs =
  ({ group, resource }: GroupResource) =>
  (other: GroupResource) =>
    other.group === group && other.resource === resource

function known(counted: GroupResource): Resource | undefined {
  const constants = Object.values(builtIn).filter((value): value is Resource => typeof value === 'object')
  return constants.find(sameAs(counted))
}

async function served(counted: GroupResource, { client }: Cluster): Promise<Resource | undefined> {
  return (await discover(client)).resources.find(sameAs(counted))
}
