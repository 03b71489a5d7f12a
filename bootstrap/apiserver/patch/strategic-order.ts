/** The order of merged lists: what the patch names stands in its order, the rest keeps the server's. */
import { isObject } from './json.ts'

export type Identity = (item: unknown) => unknown

export const primitives: Identity = item => item
export const keyed =
  (key: string): Identity =>
  item =>
    isObject(item) ? item[key] : item

/**
 * Orders `items`: those in `patchOrder` by it, the others by `serverOrder`, woven together so that two elements the server
 * knows both of keep their order and new ones come first.
 */
export function orderLike(
  items: readonly unknown[],
  patchOrder: readonly unknown[],
  serverOrder: readonly unknown[],
  identity: Identity,
): unknown[] {
  const patchRank = ranks(patchOrder, identity)
  const serverRank = ranks(serverOrder, identity)
  const rank = (map: Map<unknown, number>) => (item: unknown) => map.get(identity(item)) ?? -1
  const inPatch = items.filter(item => patchRank.has(identity(item))).toSorted(by(rank(patchRank)))
  const serverOnly = items.filter(item => !patchRank.has(identity(item))).toSorted(by(rank(serverRank)))
  return weave(serverOnly, inPatch, rank(serverRank))
}

function ranks(order: readonly unknown[], identity: Identity): Map<unknown, number> {
  return new Map(order.map((item, index) => [identity(item), index]))
}

const by = (rank: (item: unknown) => number) => (a: unknown, b: unknown) => rank(a) - rank(b)

function weave(left: readonly unknown[], right: readonly unknown[], rank: (item: unknown) => number): unknown[] {
  const woven: unknown[] = []
  let l = 0
  let r = 0
  while (l < left.length && r < right.length) {
    const known = rank(right[r]) >= 0 && rank(left[l]) >= 0
    woven.push(known && rank(left[l]) < rank(right[r]) ? left[l++] : right[r++])
  }
  return [...woven, ...left.slice(l), ...right.slice(r)]
}
