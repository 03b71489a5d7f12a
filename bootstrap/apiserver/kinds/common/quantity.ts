/** Quantities as they stand in objects: lenient reading, checks and sums of resource lists. */
import { field } from '../../../api/errors.ts'
import { Quantity, tryParseQuantity } from '../../../api/quantity.ts'
import type { Errors } from './build.ts'

/** Resource name to quantity text. */
export type ResourceList = { readonly [resource: string]: string }

/** The quantity; zero when absent or malformed. */
export function quantityOf(value: unknown): Quantity {
  return tryParseQuantity(value) ?? Quantity.zero
}

/** The form upstream writes: "0.5" is "500m". Malformed text stays as it is. */
export function canonical(value: unknown): string {
  return tryParseQuantity(value)?.toString() ?? String(value)
}

/** Malformed quantities, and those below zero. */
export function* nonNegativeQuantity(value: unknown, path: string): Errors {
  const quantity = tryParseQuantity(value)
  if (!quantity) yield field.invalid(path, value, 'must be a quantity')
  else if (quantity.sign() < 0) yield field.invalid(path, canonical(value), 'must be greater than or equal to 0')
}

/** Rounds a resource list's values up to thousandths and writes them canonically, in place. */
export function roundResources(list: { [resource: string]: string } | undefined | null): void {
  for (const [resource, value] of Object.entries(list ?? {})) {
    const quantity = tryParseQuantity(value)
    if (quantity) list![resource] = quantity.roundUpToMilli().toString()
  }
}

/** Adds each resource of a list to the sums. */
export function addResources(sums: Map<string, Quantity>, list: ResourceList | undefined): void {
  for (const [resource, value] of Object.entries(list ?? {})) {
    sums.set(resource, (sums.get(resource) ?? Quantity.zero).add(quantityOf(value)))
  }
}
