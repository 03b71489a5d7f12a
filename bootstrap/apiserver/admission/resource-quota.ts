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
import { unspecified } from './quota-unspecified.ts'

interface Admitted {
  readonly group: string
  readonly resource: string
  readonly object: KubeObject
  readonly expires: number
}

/** How long an admitted object may take to be stored. */
const pendingMs = 5_000

export function resourceQuota({ reader, clock }: AdmissionDeps): AdmissionPlugin {
  let pending: Admitted[] = []

  /** Objects of one resource that count: stored ones, and those on their way. */
  function objectsOf(group: string, resource: string, namespace: string): KubeObject[] {
    pending = pending.filter(one => {
      const { namespace: space = '', name = '' } = one.object.metadata
      return one.expires > clock.now() && !reader.get(one.group, one.resource, space, name)
    })
    const admitted = pending.filter(
      one => one.group === group && one.resource === resource && one.object.metadata.namespace === namespace,
    )
    return [...reader.list(group, resource, namespace), ...admitted.map(one => one.object)]
  }

  /** What is changed or deleted has been stored, whether or not anybody has looked since. */
  function noLongerPending({ kind, namespace, name }: AdmissionRequest): void {
    pending = pending.filter(({ group, resource, object: { metadata } }) => {
      const same = group === kind.group && resource === kind.resource && metadata.namespace === namespace
      return !(same && metadata.name === name)
    })
  }

  function check(request: AdmissionRequest, quota: ResourceQuota): void {
    const { group, resource } = request.kind
    const object = as<KubeObject>(request.object)
    const hard = amountsOf(quota.spec?.hard)
    const counts = (one: KubeObject) => inScope(quota, resource, one)
    if (!counts(object)) return
    if (group === '' && resource === 'pods' && request.operation === 'CREATE') {
      const missing = unspecified(object as unknown as Pod, hard.keys())
      if (missing !== '') throw refuse(request, `failed quota: ${quota.metadata.name}: must specify ${missing}`)
    }
    const before = request.old && counts(request.old) ? usageOf(request.kind, request.old) : new Map<string, Quantity>()
    const added = growth(usageOf(request.kind, object), before, hard)
    if (added.size === 0) return
    const used = new Map<string, Quantity>()
    for (const one of objectsOf(group, resource, request.namespace)) {
      if (counts(one)) addAmounts(used, usageOf(request.kind, one))
    }
    const over = [...added.keys()].filter(key => {
      const total = (used.get(key) ?? Quantity.zero).add(added.get(key)!)
      return total.compare(hard.get(key)!) > 0
    })
    if (over.length === 0) return
    const only = (amounts: Amounts) => amountsText(new Map(over.map(key => [key, amounts.get(key) ?? Quantity.zero])))
    throw refuse(
      request,
      `exceeded quota: ${quota.metadata.name}, requested: ${only(added)}, used: ${only(used)}, limited: ${only(hard)}`,
    )
  }

  return {
    name: 'ResourceQuota',
    validate(request) {
      const { operation, namespace, object, kind } = request
      if (operation !== 'CREATE' && pending.length > 0) noLongerPending(request)
      if (namespace === '' || !object || (operation !== 'CREATE' && operation !== 'UPDATE')) return
      if (!isFor(request, kind.group, kind.resource)) return
      const quotas = reader.list('', 'resourcequotas', namespace) as unknown as readonly ResourceQuota[]
      if (quotas.length === 0) return
      for (const quota of quotas) check(request, quota)
      if (operation === 'CREATE' && !request.dryRun) {
        const expires = clock.now() + pendingMs
        pending.push({
          group: kind.group,
          resource: kind.resource,
          object: structuredClone(as<KubeObject>(object)),
          expires,
        })
      }
    },
  }
}

/** What the quota bounds and the request adds to. */
function growth(after: Amounts, before: Amounts, hard: Amounts): Amounts {
  const added = new Map<string, Quantity>()
  for (const [key, quantity] of after) {
    const more = quantity.sub(before.get(key) ?? Quantity.zero)
    if (hard.has(key) && more.sign() > 0) added.set(key, more)
  }
  return added
}
