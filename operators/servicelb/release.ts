/** Giving services up: one that wants no balancer any more, or all of them with --disable servicelb. */
import { ignoreNotFound } from '../../bootstrap/api/errors.ts'
import { splitKey } from '../../bootstrap/api/object.ts'
import { type DaemonSet, daemonSets, type Service, services } from '../../bootstrap/client/resources.ts'
import { deleteIfPresent, retryOnConflict, updateStatus } from '../runtime/apply.ts'
import { findCondition, withoutCondition } from '../runtime/conditions.ts'
import { type Cluster, done, type Operator } from '../runtime/operator.ts'
import { cleanupFinalizer, nodeSelectorLabel, oldFinalizer, servedBy } from './service.ts'
import { portsCondition } from './status.ts'

const ourFinalizers: readonly string[] = [cleanupFinalizer, oldFinalizer]

export const isHeld = ({ metadata }: Service): boolean =>
  (metadata.finalizers ?? []).some(each => ourFinalizers.includes(each))

/** Takes the addresses back, then the finalizers. */
export async function letGo(service: Service, cluster: Pick<Cluster, 'client'>): Promise<void> {
  const { client } = cluster
  const { loadBalancer, conditions } = service.status ?? {}
  const published = (loadBalancer?.ingress ?? []).length > 0 || findCondition(conditions, portsCondition) !== undefined
  const rest = withoutCondition(conditions, portsCondition)
  const latest =
    published && service.metadata.deletionTimestamp === undefined
      ? await updateStatus(client, services, service, { ...service.status, loadBalancer: {}, conditions: rest })
      : service
  await withoutFinalizers(latest, ourFinalizers, cluster)
}

export async function withoutFinalizers(
  service: Service,
  unwanted: readonly string[],
  { client }: Pick<Cluster, 'client'>,
): Promise<void> {
  const { finalizers = [] } = service.metadata
  const left = finalizers.filter(each => !unwanted.includes(each))
  if (left.length === finalizers.length) return
  await client.update(services, { ...service, metadata: { ...service.metadata, finalizers: left } })
}

/**
 * What --disable servicelb leaves to do at a start: the DaemonSets of earlier runs go, and so do their services' addresses and
 * finalizers, which would keep these services from ever being deleted. Services of others are left alone.
 */
export function serviceLbCleanup(namespace: string): Operator {
  return {
    name: 'service-lb-cleanup',
    watches: [],
    async run(cluster, enqueue) {
      const ours = { namespace, labelSelector: nodeSelectorLabel }
      for (const { metadata } of (await cluster.client.list(daemonSets, ours)).items) enqueue(metadata.name ?? '')
    },
    async reconcile(name, { client }) {
      const set: DaemonSet | undefined = await client.get(daemonSets, { name, namespace }).catch(ignoreNotFound)
      if (!set) return done
      const served = servedBy(set.metadata.labels)
      if (served !== undefined)
        await retryOnConflict(async () => {
          const service = await client.get(services, splitKey(served)).catch(ignoreNotFound)
          if (service) await letGo(service, { client })
        })
      await deleteIfPresent(client, daemonSets, set, { propagationPolicy: 'Background' })
      return done
    },
  }
}
