/**
 * No namespace grows beyond its quotas (upstream: apiserver plugin/resourcequota). Usage is counted from the stored
 * objects, so that it is never stale; what was admitted but is not stored yet is remembered for a moment.
 */
import { type Amounts, addAmounts, amountsOf, amountsText } from '../../api/amounts.ts'
import type { KubeObject } from '../../api/object.ts'
import { Quantity } from '../../api/quantity.ts'
import { inScope } from '../../api/quota/scopes.ts'
import { usageOf } from '../../api/quota/usage.ts'
import type { Pod, ResourceQuota } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'
import { localReservations, type QuotaReservations } from './quota-reservations.ts'
import { unspecified } from './quota-unspecified.ts'

export interface QuotaDeps extends AdmissionDeps {
  /** Those of several servers, where there are several. */
  readonly reservations?: QuotaReservations
}

export function resourceQuota({
  reader,
  clock,
  reservations = localReservations(reader, clock),
}: QuotaDeps): AdmissionPlugin {
  /** What the request adds to the quota. Throws when that is too much. */
  function check(request: AdmissionRequest, quota: ResourceQuota, onItsWay: Amounts): Amounts {
    const { group, resource } = request.kind
    const object = as<KubeObject>(request.object)
    const hard = amountsOf(quota.spec?.hard)
    const counts = (one: KubeObject) => inScope(quota, resource, one)
    if (!counts(object)) return none
    if (group === '' && resource === 'pods' && request.operation === 'CREATE') {
      const missing = unspecified(object as unknown as Pod, hard.keys())
      if (missing !== '') throw refuse(request, `failed quota: ${quota.metadata.name}: must specify ${missing}`)
    }
    const before = request.old && counts(request.old) ? usageOf(request.kind, request.old) : new Map<string, Quantity>()
    const added = growth(usageOf(request.kind, object), before, hard)
    if (added.size === 0) return none
    const used = new Map(onItsWay)
    for (const one of reader.list(group, resource, request.namespace)) {
      if (counts(one)) addAmounts(used, usageOf(request.kind, one))
    }
    const over = [...added.keys()].filter(key => {
      const total = (used.get(key) ?? Quantity.zero).add(added.get(key)!)
      return total.compare(hard.get(key)!) > 0
    })
    if (over.length === 0) return added
    const only = (amounts: Amounts) => amountsText(new Map(over.map(key => [key, amounts.get(key) ?? Quantity.zero])))
    throw refuse(
      request,
      `exceeded quota: ${quota.metadata.name}, requested: ${only(added)}, used: ${only(used)}, limited: ${only(hard)}`,
    )
  }

  return {
    name: 'ResourceQuota',
    validate(request) {
      if (request.namespace === '') return undefined
      const quotas = reader.list('', 'resourcequotas', request.namespace) as unknown as readonly ResourceQuota[]
      return quotas.length === 0 ? undefined : settleAndAdmit(request, quotas)
    },
  }

  async function settleAndAdmit(request: AdmissionRequest, quotas: readonly ResourceQuota[]): Promise<void> {
    const { operation, object, kind } = request
    if (operation !== 'CREATE') await reservations.settle(request)
    if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return
    if (!isFor(request, kind.group, kind.resource)) return
    const named = quotas.map(quota => [quota.metadata.name ?? '', quota] as const)
    await reservations.admit(
      request,
      onItsWay => new Map(named.map(([name, quota]) => [name, check(request, quota, onItsWay(name))])),
    )
  }
}

const none: Amounts = new Map()

/** What the quota bounds and the request adds to. */
function growth(after: Amounts, before: Amounts, hard: Amounts): Amounts {
  const added = new Map<string, Quantity>()
  for (const [key, quantity] of after) {
    const more = quantity.sub(before.get(key) ?? Quantity.zero)
    if (hard.has(key) && more.sign() > 0) added.set(key, more)
  }
  return added
}
