/** Sums of resources by name, exact. */
import { Quantity, tryParseQuantity } from '../../../../bootstrap/api/quantity.ts'
import type { Container, PodSpec } from '../../../../bootstrap/api/types.gen.ts'

export type Amounts = Map<string, Quantity>

type ResourceList = { readonly [resource: string]: string } | undefined

/** Reads a ResourceList; malformed amounts are left out. */
export function amountsOf(list: ResourceList): Amounts {
  const amounts: Amounts = new Map()
  for (const [resource, text] of Object.entries(list ?? {})) {
    const quantity = tryParseQuantity(text)
    if (quantity) amounts.set(resource, quantity)
  }
  return amounts
}

/** Adds `more` to `total` in place. */
export function addTo(total: Amounts, more: ReadonlyMap<string, Quantity>): void {
  for (const [resource, quantity] of more) total.set(resource, (total.get(resource) ?? Quantity.zero).add(quantity))
}

function raiseTo(total: Amounts, floor: ReadonlyMap<string, Quantity>): void {
  for (const [resource, quantity] of floor)
    if ((total.get(resource)?.compare(quantity) ?? -1) < 0) total.set(resource, quantity)
}

const known = new WeakMap<PodSpec, { readonly requests: Amounts; readonly limits: Amounts }>()

/** What a pod asks for or may use; the same map each time, not to be changed. */
export function podAmounts(spec: PodSpec, what: 'requests' | 'limits'): ReadonlyMap<string, Quantity> {
  let amounts = known.get(spec)
  if (!amounts) known.set(spec, (amounts = { requests: summed(spec, 'requests'), limits: summed(spec, 'limits') }))
  return amounts[what]
}

/**
 * The containers and sidecars together, or the largest moment of starting; what the pod itself states goes before.
 * Overhead comes on top of requests, and of limits there are.
 */
function summed(spec: PodSpec, what: 'requests' | 'limits'): Amounts {
  const total = sumOf(spec.containers, what)
  const sidecars: Amounts = new Map()
  const peak: Amounts = new Map()
  for (const container of spec.initContainers ?? []) {
    const moment = new Map(sidecars)
    addTo(moment, amountsOf(container.resources?.[what]))
    raiseTo(peak, moment)
    if (container.restartPolicy === 'Always') addTo(sidecars, amountsOf(container.resources?.[what]))
  }
  addTo(total, sidecars)
  raiseTo(total, peak)
  for (const [resource, quantity] of amountsOf(spec.resources?.[what])) total.set(resource, quantity)
  const overhead = [...amountsOf(spec.overhead)].filter(([resource]) => what === 'requests' || total.has(resource))
  addTo(total, new Map(overhead))
  return total
}

function sumOf(containers: readonly Container[], what: 'requests' | 'limits'): Amounts {
  const total: Amounts = new Map()
  for (const container of containers) addTo(total, amountsOf(container.resources?.[what]))
  return total
}
