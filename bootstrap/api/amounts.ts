/** Sums of resources by name, exact; what a pod asks for and may use at most (upstream: component-helpers resource). */
import { type Quantity, tryParseQuantity } from './quantity.ts'
import type { Container, Pod } from './types.gen.ts'

export type Amounts = ReadonlyMap<string, Quantity>

/** A ResourceList as quantities; malformed ones are left out. */
export function amountsOf(list: { readonly [resource: string]: string } | undefined): Map<string, Quantity> {
  const amounts = new Map<string, Quantity>()
  for (const [resource, text] of Object.entries(list ?? {})) {
    const quantity = tryParseQuantity(text)
    if (quantity) amounts.set(resource, quantity)
  }
  return amounts
}

/** Adds `extra` to `amounts` in place. */
export function addAmounts(amounts: Map<string, Quantity>, extra: Amounts): void {
  for (const [resource, quantity] of extra) amounts.set(resource, amounts.get(resource)?.add(quantity) ?? quantity)
}

function raise(amounts: Map<string, Quantity>, floor: Amounts): void {
  for (const [resource, quantity] of floor) {
    const present = amounts.get(resource)
    if (!present || present.compare(quantity) < 0) amounts.set(resource, quantity)
  }
}

/**
 * Containers and sidecars side by side, or the largest moment of starting up, whichever is more; what the pod itself
 * sets wins. Overhead is added to requests, and to limits that exist.
 */
export function podAmounts(pod: Pod, what: 'requests' | 'limits'): Map<string, Quantity> {
  const of = (container: Container): Map<string, Quantity> => amountsOf(container.resources?.[what])
  const total = new Map<string, Quantity>()
  for (const container of pod.spec.containers) addAmounts(total, of(container))
  const sidecars = new Map<string, Quantity>()
  const starting = new Map<string, Quantity>()
  for (const container of pod.spec.initContainers ?? []) {
    const moment = new Map(sidecars)
    addAmounts(moment, of(container))
    raise(starting, moment)
    if (container.restartPolicy === 'Always') addAmounts(sidecars, of(container))
  }
  addAmounts(total, sidecars)
  raise(total, starting)
  for (const [resource, quantity] of amountsOf(pod.spec.resources?.[what])) total.set(resource, quantity)
  for (const [resource, quantity] of amountsOf(pod.spec.overhead)) {
    if (what === 'requests' || total.has(resource)) addAmounts(total, new Map([[resource, quantity]]))
  }
  return total
}

/** "cpu=1,memory=1Gi", sorted. */
export function amountsText(amounts: Amounts): string {
  return [...amounts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([resource, quantity]) => `${resource}=${quantity}`)
    .join(',')
}
