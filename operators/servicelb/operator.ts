/**
 * ServiceLB (k3s-io/k3s pkg/cloudprovider, behind upstream's service controller): nodes balance Services of type
 * LoadBalancer. A DaemonSet per service holds its ports; the service's status names the nodes where it does.
 */
import { isAlreadyExists } from '../../bootstrap/api/errors.ts'
import { type KubeObject, keyOf, type ObjectKey } from '../../bootstrap/api/object.ts'
import type { LoadBalancerIngress, Toleration } from '../../bootstrap/api/types.gen.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import {
  type DaemonSet,
  daemonSets,
  type EndpointSlice,
  endpointSlices,
  type Node,
  namespaces,
  nodes,
  pods,
  type Service,
  serviceAccounts,
  services,
} from '../../bootstrap/client/resources.ts'
import { sameJson } from '../../bootstrap/client/same.ts'
import { deleteIfPresent, nameOf, updateStatus } from '../runtime/apply.ts'
import { findCondition, setCondition, withoutCondition } from '../runtime/conditions.ts'
import { type Cluster, done, type EventRecorder, type Operator, on, type Result } from '../runtime/operator.ts'
import { accountName, type BalancerOptions, balancerOf } from './daemon-set.ts'
import { type Placement, placements } from './placement.ts'
import { isHeld, letGo, withoutFinalizers } from './release.ts'
import {
  addedTolerations,
  balancerName,
  cleanupFinalizer,
  oldFinalizer,
  servedBy,
  sourceRangesProblem,
  wantsBalancer,
} from './service.ts'
import { hasShortName, shortName, shortNamed } from './short-name.ts'
import { addressesOf, ingressOf, portsCondition, type Trouble, troubleOf } from './status.ts'

const byService = 'servicelb-service'
const byNode = 'servicelb-node'
const replacingMs = 5000

export function serviceLb(options: BalancerOptions): Operator {
  const balancers = new Balancers(options)
  return {
    name: 'service-lb-controller',
    watches: [
      on(services, (service, old, _, cluster) => {
        const concerned = [service, old].some(each => each && (takesPorts(each) || isHeld(each)))
        // What one service takes or frees decides what others may have.
        return concerned ? [keyOf(service), ...(claimsDiffer(service, old) ? balanced(cluster) : [])] : undefined
      }),
      on(nodes, (node, old, change, cluster) =>
        change === 'updated' && sameForUs(node, old!) ? undefined : balanced(cluster),
      ),
      on(daemonSets, set => (set.metadata.namespace === options.namespace ? servedBy(set.metadata.labels) : undefined)),
      on(pods, pod => (pod.metadata.namespace === options.namespace ? servedBy(pod.metadata.labels) : undefined)),
      on(endpointSlices, (slice, _, __, { informers }) => {
        const key = sliceOwner(slice)
        return key !== undefined && informers.get(services).get(key)?.spec.type === 'LoadBalancer' ? key : undefined
      }),
      on(namespaces, () => undefined),
      on(serviceAccounts, () => undefined),
    ],
    setup({ informers }) {
      informers.get(pods).addIndex(byService, pod => one(servedBy(pod.metadata.labels)))
      informers.get(pods).addIndex(byNode, pod => one(pod.spec.nodeName))
      informers.get(daemonSets).addIndex(byService, set => one(servedBy(set.metadata.labels)))
      informers.get(endpointSlices).addIndex(byService, slice => one(sliceOwner(slice)))
    },
    reconcile: (key, cluster) => balancers.reconcile(key, cluster),
  }
}

class Balancers {
  readonly #options: BalancerOptions
  /** What was last written of each DaemonSet, and the generation that had: another means somebody changed it. */
  readonly #written = new Map<ObjectKey, { readonly desired: DaemonSet; readonly generation: number | undefined }>()

  /** Since when addresses are kept for balancers that are being replaced. */
  readonly #replacing = new Map<ObjectKey, number>()

  constructor(options: BalancerOptions) {
    this.#options = options
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const service = cluster.informers.get(services).get(key)
    if (service && wantsBalancer(service)) return this.#balance(key, service, cluster)
    this.#replacing.delete(key)
    if (service) await this.#release(key, service, cluster)
    else await this.#remove(this.#setsOf(key, cluster), cluster)
    return done
  }

  async #balance(key: ObjectKey, service: Service, cluster: Cluster): Promise<Result> {
    const { informers } = cluster
    const all = informers.get(services).list()
    const placement = placements(all, informers.get(nodes).list(), this.#options.reserved).get(key)
    if (!placement) return done
    const held = await this.#hold(service, cluster)
    const tolerations = this.#tolerations(held, cluster)
    // A mistake in the annotation leaves what runs as it is until somebody corrects it.
    if (tolerations) {
      const set = balancerOf(held, placement, tolerations, this.#options)
      if (await this.#write(set, cluster)) {
        const { name, namespace } = set.metadata
        cluster.events.event(held, 'Normal', 'AppliedDaemonSet', `Applied LoadBalancer DaemonSet ${namespace}/${name}`)
      }
      if (hasShortName(held, this.#options)) await this.#write(shortNamed(held, set), cluster)
    }
    const names = [balancerName(held), ...(hasShortName(held, this.#options) ? [shortName(held)] : [])]
    const old = this.#setsOf(key, cluster).filter(({ metadata }) => !names.includes(metadata.name ?? ''))
    await this.#remove(old, cluster)
    return this.#report(key, held, placement, cluster)
  }

  /** The service with the finalizer that keeps it until its DaemonSet is gone. */
  async #hold(service: Service, { client, events }: Cluster): Promise<Service> {
    const { finalizers = [] } = service.metadata
    const wanted = [...finalizers.filter(each => each !== oldFinalizer && each !== cleanupFinalizer), cleanupFinalizer]
    if (finalizers.includes(cleanupFinalizer) && !finalizers.includes(oldFinalizer)) return service
    upstream(events).event(service, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer')
    return client.update(services, { ...service, metadata: { ...service.metadata, finalizers: wanted } })
  }

  /** Undefined when an annotation of the service is wrong; its owner is told. */
  #tolerations(service: Service, { events }: Cluster): readonly Toleration[] | undefined {
    try {
      const problem = sourceRangesProblem(service)
      if (problem !== undefined) throw new Error(problem)
      return addedTolerations(service)
    } catch (error) {
      const message = `Error syncing load balancer: failed to ensure load balancer: ${(error as Error).message}`
      upstream(events).event(service, 'Warning', 'SyncLoadBalancerFailed', message)
      return undefined
    }
  }

  /** Makes the DaemonSet as desired, unless it is; whether that changed anything. */
  async #write(desired: DaemonSet, cluster: Cluster): Promise<boolean> {
    const { client, informers } = cluster
    const key = keyOf(desired)
    const existing = informers.get(daemonSets).get(key)
    const known = this.#written.get(key)
    if (existing && known && known.generation === existing.metadata.generation && sameJson(known.desired, desired))
      return false
    await this.#ensureHome(cluster)
    const stored = existing
      ? await client.update(daemonSets, overlay(existing, desired))
      : await client.create(daemonSets, desired).catch(async error => {
          // Made a moment ago, and the cache does not show it yet.
          if (!isAlreadyExists(error)) throw error
          return client.update(daemonSets, overlay(await client.get(daemonSets, nameOf(desired)), desired))
        })
    const { generation } = stored.metadata
    this.#written.set(key, { desired, generation })
    return existing?.metadata.generation !== generation
  }

  /** The DaemonSets' namespace and their pods' account. */
  async #ensureHome({ client, informers }: Cluster): Promise<void> {
    const { namespace } = this.#options
    const create = async <T extends KubeObject>(resource: Resource<T>, object: T) => {
      if (informers.get(resource).get(keyOf(object))) return
      await client.create(resource, object).catch(error => {
        if (!isAlreadyExists(error)) throw error
      })
    }
    await create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace }, spec: {} })
    const metadata = { name: accountName, namespace }
    await create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  }

  async #report(key: ObjectKey, service: Service, placement: Placement, cluster: Cluster): Promise<Result> {
    const { client, clock, events, informers } = cluster
    const ours = informers.get(pods).byIndex(byService, key).filter(this.#isHere)
    const slices = informers.get(endpointSlices).byIndex(byService, key)
    const found = ingressOf(service, ours, slices, name => informers.get(nodes).get(name))
    const patienceMs = this.#patience(key, service, found, cluster)
    const ingress = patienceMs > 0 ? [...(service.status?.loadBalancer?.ingress ?? [])] : found
    const result = patienceMs > 0 ? { requeueAfterMs: patienceMs } : done
    const trouble = troubleOf(service, placement, ours, node => informers.get(pods).byIndex(byNode, node))
    const conditions = withTrouble(service, trouble, clock.now())
    const status = {
      ...service.status,
      loadBalancer: ingress.length > 0 ? { ingress } : {},
      ...(conditions.length > 0 || service.status?.conditions ? { conditions } : {}),
    }
    const before = findCondition(service.status?.conditions, portsCondition)
    await updateStatus(client, services, service, status)
    if (trouble && (before?.reason !== trouble.reason || before.message !== trouble.message))
      events.event(service, 'Warning', trouble.reason, trouble.message)
    const [old, now] = [addressesOf(service.status?.loadBalancer?.ingress), addressesOf(ingress)]
    if (sameJson(old, now)) return result
    if (now.length === 0)
      events.event(service, 'Warning', 'UnAvailableLoadBalancer', 'There are no available nodes for LoadBalancer')
    else {
      const change = `[${old.join(' ')}] -> [${now.join(' ')}]`
      events.event(service, 'Normal', 'UpdatedLoadBalancer', `Updated LoadBalancer with new IPs: ${change}`)
    }
    return result
  }

  /**
   * How long (ms) the published addresses may stay although some have no balancer: while a change of the DaemonSet replaces
   * its pods they are gone for a moment, which nobody should see in DNS.
   */
  #patience(
    key: ObjectKey,
    service: Service,
    found: readonly LoadBalancerIngress[],
    { clock, informers }: Cluster,
  ): number {
    const now = addressesOf(found)
    const lost = addressesOf(service.status?.loadBalancer?.ingress).some(address => !now.includes(address))
    const set = informers.get(daemonSets).get(`${this.#options.namespace}/${balancerName(service)}`)
    const since = this.#replacing.get(key) ?? clock.now()
    if (!lost || !isReplacing(set)) {
      this.#replacing.delete(key)
      return 0
    }
    this.#replacing.set(key, since)
    return Math.max(0, since + replacingMs - clock.now())
  }

  /** No load balancer any more: first the DaemonSet goes, then the finalizer, and with it perhaps the service. */
  async #release(key: ObjectKey, service: Service, cluster: Cluster): Promise<void> {
    const sets = this.#setsOf(key, cluster)
    // Of another class, and never ours: upstream's finalizer is that other controller's.
    if (sets.length === 0 && service.spec.loadBalancerClass) return withoutFinalizers(service, [oldFinalizer], cluster)
    if (sets.length === 0 && !isHeld(service)) return
    const { events } = cluster
    if (sets.length > 0) upstream(events).event(service, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer')
    await this.#remove(sets, cluster)
    for (const { metadata } of sets)
      events.event(
        service,
        'Normal',
        'DeletedDaemonSet',
        `Deleted LoadBalancer DaemonSet ${metadata.namespace}/${metadata.name}`,
      )
    await letGo(service, cluster)
    upstream(events).event(service, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer')
  }

  async #remove(sets: readonly DaemonSet[], { client }: Cluster): Promise<void> {
    for (const set of sets) {
      this.#written.delete(keyOf(set))
      await deleteIfPresent(client, daemonSets, set, { propagationPolicy: 'Background' })
    }
  }

  #setsOf(key: ObjectKey, { informers }: Cluster): readonly DaemonSet[] {
    return informers.get(daemonSets).byIndex(byService, key).filter(this.#isHere)
  }

  /** Labels alone prove nothing: anybody may set them in a namespace of their own. */
  readonly #isHere = ({ metadata }: KubeObject): boolean => metadata.namespace === this.#options.namespace
}

function withTrouble({ metadata, status }: Service, trouble: Trouble | undefined, now: number) {
  if (!trouble) return withoutCondition(status?.conditions, portsCondition)
  const observed = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }
  return setCondition(
    status?.conditions,
    { type: portsCondition, status: 'True', ...trouble, ...observed } as never,
    now,
  )
}

/** A change of the template has not reached every node's pod. */
function isReplacing(set: DaemonSet | undefined): boolean {
  if (!set?.status) return false
  if ((set.metadata.generation ?? 0) > (set.status.observedGeneration ?? 0)) return true
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberReady = 0 } = set.status
  return Math.min(updatedNumberScheduled, numberReady) < desiredNumberScheduled
}

/** Labels of others stay; the rest is as desired. */
function overlay(existing: DaemonSet, desired: DaemonSet): DaemonSet {
  const labels = { ...existing.metadata.labels, ...desired.metadata.labels }
  return { ...existing, metadata: { ...existing.metadata, labels }, spec: desired.spec }
}

/** Upstream's service controller speaks of these in its own name. */
const upstream = (events: EventRecorder): EventRecorder => events.as?.('service-controller') ?? events

const one = (value: string | undefined): readonly string[] => (value ? [value] : [])

const balanced = ({ informers }: Cluster): ObjectKey[] =>
  informers.get(services).list().filter(wantsBalancer).map(keyOf)

function sliceOwner({ metadata }: EndpointSlice): ObjectKey | undefined {
  const name = metadata.labels?.['kubernetes.io/service-name']
  return name ? `${metadata.namespace}/${name}` : undefined
}

const takesPorts = ({ spec }: Service): boolean => spec.type === 'LoadBalancer' || spec.type === 'NodePort'

/** Whether the change may give others a port, or take one from them. */
function claimsDiffer(service: Service, old: Service | undefined): boolean {
  if (!old || wantsBalancer(old) !== wantsBalancer(service) || service === old) return true
  const claim = ({ metadata, spec }: Service) => [metadata.labels, metadata.annotations, spec.ports]
  return !sameJson(claim(service), claim(old))
}

function sameForUs(node: Node, old: Node): boolean {
  const seen = ({ metadata, spec, status }: Node) => [metadata.labels, spec.taints ?? [], status?.addresses ?? []]
  return sameJson(seen(node), seen(old))
}
