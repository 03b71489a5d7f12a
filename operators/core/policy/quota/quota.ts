/** Tells how much of each ResourceQuota is used (upstream pkg/controller/resourcequota). */
import { setImmediate } from 'node:timers/promises'
import { type Amounts, addAmounts, amountsOf } from '../../../../bootstrap/api/amounts.ts'
import { ignoreNotFound } from '../../../../bootstrap/api/errors.ts'
import {
  type GroupResource,
  groupResourceText,
  type KubeObject,
  keyOf,
  type ObjectKey,
} from '../../../../bootstrap/api/object.ts'
import { Quantity } from '../../../../bootstrap/api/quantity.ts'
import { inScope } from '../../../../bootstrap/api/quota/scopes.ts'
import { countedBy, usageOf } from '../../../../bootstrap/api/quota/usage.ts'
import type { ResourceQuotaStatus } from '../../../../bootstrap/api/types.gen.ts'
import type { Resource } from '../../../../bootstrap/client/client.ts'
import type { Informers } from '../../../../bootstrap/client/informer.ts'
import {
  customResourceDefinitions,
  type PersistentVolumeClaim,
  type Pod,
  persistentVolumeClaims,
  pods,
  type ResourceQuota,
  resourceQuotas,
  type Service,
  services,
} from '../../../../bootstrap/client/resources.ts'
import { sameJson } from '../../../../bootstrap/client/same.ts'
import { isTrue } from '../../../runtime/conditions.ts'
import { type Cluster, done, type Operator, on, type Result, type Watch } from '../../../runtime/operator.ts'
import { isTerminal } from '../../../runtime/pods.ts'
import { CountedObjects } from './counted.ts'

/** The event loop gets a turn after so many objects. */
const batch = 256

export function resourceQuotaController(): Operator {
  const controller = new ResourceQuotaController()
  return {
    name: 'resourcequota-controller',
    watches: [
      on(resourceQuotas, quota => keyOf(quota)),
      onChange(pods, (pod, old) => isTerminal(pod) !== isTerminal(old)),
      onChange(services),
      onChange(persistentVolumeClaims),
      on(customResourceDefinitions, ({ metadata, spec, status }, _old, change, { informers }) => {
        if (change === 'deleted') controller.objects.forget(metadata.name ?? '')
        else if (!isTrue(status?.conditions, 'Established')) return undefined
        return quotasOn({ group: spec.group, resource: spec.names.plural }, undefined, informers)
      }),
    ],
    run: async (cluster, enqueue) => controller.run(cluster, enqueue),
    reconcile: (key, cluster) => controller.reconcile(key, cluster),
  }
}

/** Objects that may come to count for more or less while they are there. */
function onChange<T extends Pod | Service | PersistentVolumeClaim>(
  resource: Resource<T>,
  ended: (object: T, old: T) => boolean = () => false,
): Watch {
  return on(resource, (object, old, change, { informers }) => {
    if (change !== 'updated' || !old || (sameJson(object.spec, old.spec) && !ended(object, old))) return undefined
    return quotasOn(resource, object.metadata.namespace, informers)
  })
}

/** Quotas that bound something about a resource, in one namespace or in all. */
function quotasOn(resource: GroupResource, namespace: string | undefined, informers: Informers): ObjectKey[] {
  const name = groupResourceText(resource)
  return informers
    .get(resourceQuotas)
    .list(namespace)
    .filter(quota => boundsOf(quota).some(bound => groupResourceText(countedBy(bound)) === name))
    .map(quota => keyOf(quota))
}

const boundsOf = ({ spec }: ResourceQuota): readonly string[] => Object.keys(spec.hard ?? {})

class ResourceQuotaController {
  readonly objects: CountedObjects
  /** Objects stay as they are once stored, and are summed again at every change of their quota. */
  readonly #known = new WeakMap<KubeObject, Amounts>()
  #quotasOn: (resource: GroupResource, namespace: string | undefined) => ObjectKey[] = () => []
  #enqueue: (key: ObjectKey) => void = () => {}

  constructor() {
    this.objects = new CountedObjects((resource, { metadata }) => {
      for (const key of this.#quotasOn(resource, metadata.namespace)) this.#enqueue(key)
    })
  }

  run({ informers }: Cluster, enqueue: (key: ObjectKey) => void): void {
    this.#enqueue = enqueue
    this.#quotasOn = (resource, namespace) => quotasOn(resource, namespace, informers)
  }

  async reconcile(key: ObjectKey, cluster: Cluster): Promise<Result> {
    const { client, informers } = cluster
    const quota = informers.get(resourceQuotas).get(key)
    const usage = quota && (await this.#usage(key, quota, cluster))
    if (!quota || !usage) return done
    const status = statusOf(quota, usage)
    if (isCurrent(quota.status, status)) return done
    await client.update(resourceQuotas, { ...quota, status }, { subresource: 'status' }).catch(ignoreNotFound)
    return done
  }

  /** What the quota's objects add up to; undefined when not all of them are known yet. */
  async #usage(key: ObjectKey, quota: ResourceQuota, cluster: Cluster): Promise<Amounts | undefined> {
    const counted = new Map(
      boundsOf(quota)
        .map(countedBy)
        .map(resource => [groupResourceText(resource), resource]),
    )
    const usage = new Map<string, Quantity>()
    let seen = 0
    for (const resource of counted.values()) {
      const { namespace = '' } = quota.metadata
      const objects = await this.objects.list(resource, namespace, cluster, () => this.#enqueue(key))
      if (!objects) return undefined
      for (const object of objects) {
        if (inScope(quota, resource.resource, object)) addAmounts(usage, this.#usageOf(resource, object))
        if (++seen % batch === 0) await setImmediate()
      }
    }
    return usage
  }

  #usageOf(resource: GroupResource, object: KubeObject): Amounts {
    let usage = this.#known.get(object)
    if (!usage) this.#known.set(object, (usage = usageOf(resource, object)))
    return usage
  }
}

function statusOf({ spec }: ResourceQuota, usage: Amounts): ResourceQuotaStatus {
  const hard = spec.hard ?? {}
  const used = Object.keys(hard).map(bound => [bound, (usage.get(bound) ?? Quantity.zero).toString()])
  return { hard, used: Object.fromEntries(used) }
}

/** Whether the amounts are the same, however they are written. */
function isCurrent(old: ResourceQuotaStatus | undefined, next: ResourceQuotaStatus): boolean {
  return sameAmounts(old?.hard, next.hard) && sameAmounts(old?.used, next.used)
}

function sameAmounts(a: ResourceQuotaStatus['used'], b: ResourceQuotaStatus['used']): boolean {
  const left = amountsOf(a)
  const right = amountsOf(b)
  return (
    a !== undefined &&
    left.size === right.size &&
    [...left].every(([name, amount]) => right.get(name)?.compare(amount) === 0)
  )
}
