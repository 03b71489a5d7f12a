/** Empties namespaces that are being deleted (upstream pkg/controller/namespace/deletion). */
import { ignoreNotFound, isStatusError } from '../../../bootstrap/api/errors.ts'
import { type KubeObject, keyOf, parseApiVersion } from '../../../bootstrap/api/object.ts'
import { type Namespace, namespaces, pods } from '../../../bootstrap/client/resources.ts'
import { updateStatus } from '../../runtime/apply.ts'
import { type DiscoveredResource, type Discovery, discover } from '../../runtime/discovery.ts'
import { type Cluster, done, type Operator, on, type Result } from '../../runtime/operator.ts'
import { isTerminating } from '../../runtime/pods.ts'
import { type Remains, remainsConditions } from './namespace-conditions.ts'

const finalizer = 'kubernetes'
/** Nothing tells when content other than pods has gone. */
const lookAgainMs = 1000
/** What cannot be discovered takes longer to come back. */
const rediscoverMs = 5000
/** Their servers keep no objects, so that one that is down leaves nothing behind. Upstream waits for these too. */
const withoutObjects = new Set(['metrics.k8s.io', 'custom.metrics.k8s.io', 'external.metrics.k8s.io'])

/**
 * With several servers a namespace is left alone for `graceMs` first, so that all of them have stopped letting things into
 * it (upstream's five seconds).
 */
export function namespaceController(graceMs = 0): Operator {
  const since = new Map<string, number>()
  return {
    name: 'namespace-controller',
    watches: [
      on(namespaces, namespace => (isTerminating(namespace) ? keyOf(namespace) : undefined)),
      on(pods, (pod, _old, change, { informers }) => {
        const namespace = pod.metadata.namespace ?? ''
        const owner = change === 'deleted' ? informers.get(namespaces).get(namespace) : undefined
        return owner && isTerminating(owner) ? namespace : undefined
      }),
    ],
    concurrency: 10,
    async reconcile(name, cluster) {
      const found = cluster.informers.get(namespaces).get(name)
      if (!found || !isTerminating(found)) {
        since.delete(name)
        return done
      }
      const now = cluster.clock.now()
      if (!since.has(name)) since.set(name, now)
      const left = graceMs - (now - since.get(name)!)
      return left > 0 ? { requeueAfterMs: left } : reconcile(name, cluster)
    },
  }
}

async function reconcile(name: string, cluster: Cluster): Promise<Result> {
  const { client, clock, informers } = cluster
  const found = informers.get(namespaces).get(name)
  if (!found || !isTerminating(found) || !(found.spec.finalizers ?? []).includes(finalizer)) return done
  const namespace = await terminating(found, cluster)
  const discovery = await discover(client)
  const remains = await empty(name, discovery, cluster)
  const conditions = remainsConditions(namespace.status?.conditions, remains, clock.now())
  const reported = await updateStatus(client, namespaces, namespace, { ...namespace.status, conditions }).catch(
    ignoreNotFound,
  )
  if (!reported) return done
  if (remains.objects.size > 0 || remains.failures.length > 0) return { requeueAfterMs: lookAgainMs }
  if (discovery.failures.some(({ groupVersion }) => !withoutObjects.has(parseApiVersion(groupVersion).group)))
    return { requeueAfterMs: rediscoverMs }
  const finalizers = (reported.spec.finalizers ?? []).filter(other => other !== finalizer)
  await client
    .update(namespaces, { ...reported, spec: { finalizers } }, { subresource: 'finalize' })
    .catch(ignoreNotFound)
  return done
}

async function terminating(namespace: Namespace, { client }: Cluster): Promise<Namespace> {
  if (namespace.status?.phase === 'Terminating') return namespace
  return updateStatus(client, namespaces, namespace, { ...namespace.status, phase: 'Terminating' })
}

/** Deletes everything in the namespace, pods before all else, and says what is still there. */
async function empty(namespace: string, discovery: Discovery, cluster: Cluster): Promise<Remains> {
  const remains: Remains = { discovery: discovery.failures, objects: new Map(), finalizers: new Map(), failures: [] }
  const all = discovery.resources.filter(
    resource => resource.namespaced && resource.verbs.includes('delete') && resource.verbs.includes('list'),
  )
  const isPods = (resource: DiscoveredResource) => resource.group === '' && resource.resource === 'pods'
  for (const resource of all.filter(isPods)) await clear(resource, namespace, remains, cluster)
  if (remains.objects.size > 0) return remains
  await Promise.all(all.filter(other => !isPods(other)).map(other => clear(other, namespace, remains, cluster)))
  return remains
}

async function clear(
  resource: DiscoveredResource,
  namespace: string,
  remains: Remains,
  { client }: Cluster,
): Promise<void> {
  try {
    const before = await client.list(resource, { namespace })
    if (before.items.length === 0) return
    if (before.items.some(object => !isTerminating(object))) await remove(resource, namespace, before.items, client)
    count(resource, (await client.list(resource, { namespace })).items, remains)
  } catch (error) {
    // A resource may go away between discovery and now, with all its objects.
    if (isStatusError(error) && (error.code === 404 || error.code === 405)) return
    remains.failures.push((error as Error).message)
  }
}

async function remove(
  resource: DiscoveredResource,
  namespace: string,
  objects: readonly KubeObject[],
  client: Cluster['client'],
): Promise<void> {
  const options = { propagationPolicy: 'Background' as const }
  if (resource.verbs.includes('deletecollection')) {
    await client.deleteCollection(resource, { namespace }, options)
    return
  }
  for (const { metadata } of objects)
    await client.delete(resource, { name: metadata.name ?? '', namespace }, options).catch(ignoreNotFound)
}

function count(resource: DiscoveredResource, left: readonly KubeObject[], remains: Remains): void {
  if (left.length === 0) return
  remains.objects.set(`${resource.resource}.${resource.group}`, left.length)
  for (const object of left)
    for (const name of object.metadata.finalizers ?? [])
      remains.finalizers.set(name, (remains.finalizers.get(name) ?? 0) + 1)
}
