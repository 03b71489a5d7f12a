/** Which endpoint sits in which slot. An endpoint keeps its slot as long as it lives, so that nothing about it changes. */
import type { Backend, Plane, Server, Slot, Slots } from './plane.ts'

const fewest = 8

const same = (a: Slot, b: Server): boolean => a?.address === b.address && a.port === b.port

/** The slots a backend is given when it is written anew: room for as many endpoints again. */
export function slotsFor(servers: number): number {
  let slots = fewest
  while (slots < servers * 2) slots *= 2
  return slots
}

/** Puts servers into slots, those that are there already where they are. Undefined when they do not fit. */
export function assign(before: readonly Slot[], servers: readonly Server[]): readonly Slot[] | undefined {
  const next: Slot[] = before.map(slot => servers.find(server => same(slot, server)))
  const waiting = servers.filter(server => !before.some(slot => same(slot, server)))
  for (const server of waiting) {
    const free = freeSlot(before, next)
    if (free < 0) return undefined
    next[free] = server
  }
  return next
}

/** One that was empty rather than one that is being left, whose connections may still be ending. */
function freeSlot(before: readonly Slot[], next: readonly Slot[]): number {
  const empty = next.findIndex((slot, index) => slot === undefined && before[index] === undefined)
  return empty >= 0 ? empty : next.indexOf(undefined)
}

/** Slots of every backend; those of before are kept where they suffice. */
export function assignAll(plane: Plane, before: Slots | undefined): Slots {
  const slots = new Map<string, readonly Slot[]>()
  for (const backend of plane.backends.values())
    if (backend.servers) slots.set(backend.name, slotsOf(backend.servers, before?.get(backend.name)))
  return slots
}

function slotsOf(servers: readonly Server[], before: readonly Slot[] | undefined): readonly Slot[] {
  const kept = before && assign(before, servers)
  if (kept) return kept
  return [...servers, ...new Array<Slot>(slotsFor(servers.length) - servers.length).fill(undefined)]
}

/** True when every backend's servers fit into the slots it has. */
export function fits(backend: Backend, before: readonly Slot[] | undefined): boolean {
  return backend.servers === undefined || (before !== undefined && assign(before, backend.servers) !== undefined)
}
