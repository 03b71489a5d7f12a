/** What a pod asks of a node (k8s.io/component-helpers resource). CPU counts in thousandths of a core, the rest in its unit. */
import { parseQuantity } from '../../../bootstrap/api/quantity.ts'
import type { Container } from '../../../bootstrap/api/types.gen.ts'
import type { Pod } from '../../../bootstrap/client/resources.ts'

/** Amounts by resource name. */
export type Amounts = { [resource: string]: number }

const cache = new WeakMap<object, Amounts>()

/** The sum of the containers, or the largest init container where that is more; sidecars count in both; plus overhead. */
export function podRequests(pod: Pod): Readonly<Amounts> {
  const known = cache.get(pod.spec)
  if (known) return known
  const { spec } = pod
  const total: Amounts = {}
  for (const container of spec.containers) add(total, requestsOf(container))
  const sidecars: Amounts = {}
  const peak: Amounts = {}
  for (const container of spec.initContainers ?? []) {
    const requests = requestsOf(container)
    if (container.restartPolicy === 'Always') {
      add(sidecars, requests)
      add(total, requests)
      raise(peak, sidecars)
    } else raise(peak, sum(sidecars, requests))
  }
  raise(total, peak)
  for (const [name, value] of Object.entries(amountsOf(spec.resources?.requests))) total[name] = value
  add(total, amountsOf(spec.overhead))
  cache.set(pod.spec, total)
  return total
}

function requestsOf(container: Container): Amounts {
  return amountsOf(container.resources?.requests)
}

/** Reads a ResourceList. */
export function amountsOf(list: { readonly [name: string]: string } | undefined): Amounts {
  return Object.fromEntries(Object.entries(list ?? {}).map(([name, text]) => [name, amount(name, text)]))
}

function amount(name: string, text: string): number {
  const quantity = parseQuantity(text)
  return name === 'cpu' ? quantity.milliValue() : quantity.value()
}

export function add(target: Amounts, more: Readonly<Amounts>, sign = 1): void {
  for (const [name, value] of Object.entries(more)) target[name] = (target[name] ?? 0) + sign * value
}

function sum(a: Readonly<Amounts>, b: Readonly<Amounts>): Amounts {
  const result = { ...a }
  add(result, b)
  return result
}

function raise(target: Amounts, floor: Readonly<Amounts>): void {
  for (const [name, value] of Object.entries(floor)) target[name] = Math.max(target[name] ?? 0, value)
}
