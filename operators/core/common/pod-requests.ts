/** What a pod asks of a node (k8s.io/component-helpers resource). CPU counts in thousandths of a core, the rest in its unit. */
import { podAmounts } from '../../../bootstrap/api/amounts.ts'
import { parseQuantity, type Quantity } from '../../../bootstrap/api/quantity.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'

/** Amounts by resource name. */
export type Amounts = { [resource: string]: number }

const cache = new WeakMap<object, Amounts>()

/** The pod's requests by podAmounts, overhead included; the same object each time. */
export function podRequests(pod: Pod): Readonly<Amounts> {
  const known = cache.get(pod.spec)
  if (known) return known
  const total: Amounts = {}
  for (const [name, quantity] of podAmounts(pod, 'requests')) total[name] = inUnits(name, quantity)
  cache.set(pod.spec, total)
  return total
}

/** Reads a ResourceList. */
export function amountsOf(list: { readonly [name: string]: string } | undefined): Amounts {
  return Object.fromEntries(
    Object.entries(list ?? {}).map(([name, text]) => [name, inUnits(name, parseQuantity(text))]),
  )
}

const inUnits = (name: string, quantity: Quantity): number =>
  name === 'cpu' ? quantity.milliValue() : quantity.value()

export function add(target: Amounts, more: Readonly<Amounts>, sign = 1): void {
  for (const [name, value] of Object.entries(more)) target[name] = (target[name] ?? 0) + sign * value
}
