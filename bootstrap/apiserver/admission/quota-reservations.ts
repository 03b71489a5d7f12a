/**
 * What quotas have let through that is perhaps not stored yet. One server keeps it in memory; several keep it in the
 * datastore, a key per namespace that only one of them changes at a time (upstream: the quota's own status).
 */
import { type Amounts, addAmounts, amountsOf } from '../../api/amounts.ts'
import { errors } from '../../api/errors.ts'
import type { Quantity } from '../../api/quantity.ts'
import { ConflictError, type Datastore, type Entry } from '../../datastore/datastore.ts'
import type { Clock } from '../kinds/kind.ts'
import type { AdmissionRequest, ObjectReader } from './plugin.ts'

/** By quota: what a request adds to what it counts. */
export type Added = ReadonlyMap<string, Amounts>
/** Decides, or throws, by what is on its way for a quota. */
export type Decide = (onItsWay: (quota: string) => Amounts) => Added

export interface QuotaReservations {
  /** Remembers what `decide` lets through until it is stored. */
  admit(request: AdmissionRequest, decide: Decide): void | Promise<void>
  /** The object of this change or deletion has been stored. */
  settle(request: AdmissionRequest): void | Promise<void>
}

interface Reservation {
  readonly group: string
  readonly resource: string
  readonly namespace: string
  readonly name: string
  readonly added: Added
}

/** How long an admitted object may take to be stored. */
const pendingMs = 5_000

export function localReservations(reader: ObjectReader, clock: Clock): QuotaReservations {
  let pending: (Reservation & { readonly expires: number })[] = []
  return {
    admit(request, decide) {
      pending = pending.filter(one => one.expires > clock.now() && !isStored(reader, one))
      const added = decide(quota => total(pending, request, quota))
      if (remembers(request)) pending.push({ ...reservationOf(request, added), expires: clock.now() + pendingMs })
    },
    settle(request) {
      if (pending.length > 0) pending = pending.filter(one => !isOf(one, request))
    },
  }
}

export interface SharedParts {
  readonly datastore: Pick<Datastore, 'commit' | 'read'>
  readonly reader: ObjectReader
  readonly clock: Clock
  /** Resolves once `reader` shows what any server has stored. */
  readonly fresh: () => Promise<void>
}

const prefix = '/registry/quotareservations/'
const attempts = 100
/** Longer than any request that still waits to be stored. */
const forgottenMs = 60_000

interface Kept {
  readonly entry: Entry | undefined
  readonly reservations: readonly Reservation[]
}

export function sharedReservations({ datastore, reader, clock, fresh }: SharedParts): QuotaReservations {
  /** When this server first saw a reservation: clocks of others do not matter. */
  const firstSeen = new Map<string, number>()

  async function read(namespace: string): Promise<Kept> {
    const key = prefix + namespace
    const { entries } = await datastore.read(key, { limit: 1 })
    const entry = entries.find(one => one.key === key)
    return { entry, reservations: entry ? parsed(entry.value) : [] }
  }

  /** False when another server was faster. */
  async function write(namespace: string, { entry }: Kept, reservations: readonly Reservation[]): Promise<boolean> {
    const [key, value] = [prefix + namespace, Buffer.from(JSON.stringify(reservations.map(written)))]
    try {
      if (!entry) await datastore.commit({ op: 'create', key, value })
      else if (reservations.length > 0) await datastore.commit({ op: 'update', key, value, revision: entry.revision })
      else await datastore.commit({ op: 'delete', key, revision: entry.revision })
      return true
    } catch (error) {
      if (error instanceof ConflictError) return false
      throw error
    }
  }

  function isLost(one: Reservation): boolean {
    const id = `${one.namespace}/${one.group}/${one.resource}/${one.name}`
    const since = firstSeen.get(id) ?? clock.now()
    firstSeen.set(id, since)
    if (firstSeen.size > 10_000) firstSeen.delete(firstSeen.keys().next().value!)
    return clock.now() - since > forgottenMs
  }

  return {
    async admit(request, decide) {
      const { namespace } = request
      if ([...decide(() => new Map()).values()].every(({ size }) => size === 0)) return
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const kept = await read(namespace)
        await fresh()
        const open = kept.reservations.filter(one => !isStored(reader, one) && !isLost(one))
        const added = decide(quota => total(open, request, quota))
        if (!remembers(request)) return
        if (await write(namespace, kept, [...open, reservationOf(request, added)])) return
      }
      throw errors.serverTimeout(request.kind, 'create')
    },
    async settle(request) {
      // What is stored counts as such, with or without its reservation; only afterwards it would be in the way.
      if (request.operation !== 'DELETE') return
      for (let attempt = 1; attempt <= attempts; attempt++) {
        const kept = await read(request.namespace)
        const rest = kept.reservations.filter(one => !isOf(one, request))
        if (rest.length === kept.reservations.length || (await write(request.namespace, kept, rest))) return
      }
    },
  }
}

const remembers = ({ operation, dryRun }: AdmissionRequest) => operation === 'CREATE' && !dryRun

function reservationOf({ kind, namespace, object }: AdmissionRequest, added: Added): Reservation {
  return { group: kind.group, resource: kind.resource, namespace, name: object?.metadata.name ?? '', added }
}

const isStored = (reader: ObjectReader, { group, resource, namespace, name }: Reservation) =>
  reader.get(group, resource, namespace, name) !== undefined

const isOf = (one: Reservation, { kind, namespace, name }: AdmissionRequest) =>
  one.group === kind.group && one.resource === kind.resource && one.namespace === namespace && one.name === name

/** What reservations of the same resource add to a quota. */
function total(reservations: readonly Reservation[], { kind, namespace }: AdmissionRequest, quota: string): Amounts {
  const sum = new Map<string, Quantity>()
  for (const one of reservations) {
    if (one.group !== kind.group || one.resource !== kind.resource || one.namespace !== namespace) continue
    addAmounts(sum, one.added.get(quota) ?? new Map())
  }
  return sum
}

function written({ added, ...place }: Reservation): object {
  const amounts = Array.from(added, ([quota, sums]) => [
    quota,
    Object.fromEntries(Array.from(sums, ([name, quantity]) => [name, quantity.toString()])),
  ])
  return { ...place, added: Object.fromEntries(amounts) }
}

function parsed(value: Buffer): Reservation[] {
  const list = JSON.parse(value.toString()) as (Omit<Reservation, 'added'> & {
    readonly added: { readonly [quota: string]: { readonly [name: string]: string } }
  })[]
  return list.map(one => ({
    ...one,
    added: new Map(Object.entries(one.added).map(([quota, sums]) => [quota, amountsOf(sums)])),
  }))
}
