/** Informers of kinds that may not exist yet: they start when the API server has their resource. */
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import type { Informer } from '../../bootstrap/client/informer.ts'
import { customResourceDefinitions } from '../../bootstrap/client/resources.ts'
import type { Cluster } from '../runtime/operator.ts'

export interface OptionalKind<T extends KubeObject> {
  list(): readonly T[]
  get(namespace: string, name: string): T | undefined
}

/** Follows a custom resource from when its definition is established. `changed` is called for every change of an object. */
export function optionalKind<T extends KubeObject>(
  cluster: Pick<Cluster, 'informers' | 'signal'>,
  resource: Resource<T>,
  changed: (object: T) => void,
): OptionalKind<T> & { readonly ready: Promise<void> } {
  let informer: Informer<T> | undefined
  const name = `${resource.resource}.${resource.group}`
  const definitions = cluster.informers.get(customResourceDefinitions, { fieldSelector: `metadata.name=${name}` })
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  const start = () => {
    informer ??= cluster.informers.get(resource)
    informer.subscribe({ added: changed, updated: changed, deleted: changed })
    void informer.whenSynced().then(resolve, () => {})
  }
  const look = (definition: (typeof customResourceDefinitions)['_type'] & {}) => {
    const established = definition.status?.conditions?.some(
      ({ type, status }) => type === 'Established' && status === 'True',
    )
    if (established && !informer) start()
  }
  definitions.subscribe({ added: look, updated: look })
  // A kind that is not there is not waited for.
  void definitions.whenSynced().then(
    () => {
      if (definitions.list().length === 0) resolve()
    },
    () => {},
  )
  return {
    ready,
    list: () => informer?.list() ?? [],
    get: (namespace, key) => informer?.get(`${namespace}/${key}`),
  }
}
