/**
 * Who holds which cluster IP and node port, as keys in the datastore that only one server can create: the lock that the
 * allocators of several servers share (upstream locks addresses by IPAddress objects, ports by one stored bitmap). A claim
 * comes before the Service's write and goes after the Service has let go; one that a server left behind is swept.
 */
import type { KubeObject } from '../../api/object.ts'
import { ConflictError, type Datastore, type Entry, type Revision } from '../../datastore/datastore.ts'
import type { Clock } from '../../datastore/effects.ts'
import type { ResourceStore } from '../store/store.ts'
import { addressesOf, portsOf } from './allocator.ts'

/** "ip/10.43.0.5" or "port/30080" */
export type Claim = string

const prefix = '/registry/serviceallocations/'
/** A write under way is over long before it has been seen in two sweeps (upstream's repair interval). */
const sweepEveryMs = 180_000
const atOnce = 32

/** What a Service holds. */
export function claimsOf(service: KubeObject | undefined): readonly Claim[] {
  if (!service) return []
  return [...addressesOf(service).map(address => `ip/${address}`), ...portsOf(service).map(port => `port/${port}`)]
}

export class Claims {
  readonly #datastore: Pick<Datastore, 'commit' | 'read'>
  /** In the last sweep no Service held these. */
  #idle = new Map<Claim, Revision>()

  constructor(datastore: Pick<Datastore, 'commit' | 'read'>) {
    this.#datastore = datastore
  }

  /** Takes all of them for the Service, or none. Resolves with those that are others' already. */
  async take(claims: readonly Claim[], holder: KubeObject): Promise<readonly Claim[]> {
    const results = await Promise.allSettled(claims.map(claim => this.#create(claim, holder)))
    const failed = results.find(result => result.status === 'rejected')
    const taken = claims.filter((_, i) => results[i]!.status === 'fulfilled' && !isMine(results[i]!))
    if (!failed && taken.length === 0) return []
    await this.release(claims.filter((_, i) => isMine(results[i]!)))
    if (failed?.status === 'rejected') throw failed.reason
    return taken
  }

  /** Gives them back. What cannot be given back now is swept later. */
  async release(claims: readonly Claim[]): Promise<void> {
    await Promise.allSettled(claims.map(claim => this.#remove(claim)))
  }

  /** Makes sure that what stored Services hold is claimed: they may be older than claims are. */
  async adopt(services: Iterable<KubeObject>): Promise<void> {
    const { entries } = await this.#datastore.read(prefix)
    const known = new Set(entries.map(({ key }) => key.slice(prefix.length)))
    const missing = Array.from(services, service => ({ service, claims: claimsOf(service) })).flatMap(
      ({ service, claims }) => claims.filter(claim => !known.has(claim)).map(claim => ({ service, claim })),
    )
    for (let start = 0; start < missing.length; start += atOnce) {
      const some = missing.slice(start, start + atOnce)
      await Promise.all(some.map(({ claim, service }) => this.#create(claim, service)))
    }
  }

  /** Removes claims that no Service has held since the last sweep; claims what is held without. */
  async sweep(services: ResourceStore): Promise<void> {
    const { entries } = await this.#datastore.read(prefix)
    await services.fresh()
    const stored = Array.from(services.all(), ({ object }) => object)
    const held = new Set(stored.flatMap(claimsOf))
    const idle = entries.filter(({ key }) => !held.has(key.slice(prefix.length)))
    const before = this.#idle
    this.#idle = new Map(idle.map(({ key, revision }) => [key, revision]))
    const left = idle.filter(({ key, revision }) => before.get(key) === revision)
    await Promise.all(left.map(entry => this.#delete(entry)))
    await this.adopt(stored)
  }

  /** Sweeps until the signal aborts. */
  async run(
    services: ResourceStore,
    clock: Clock,
    onError: (error: unknown) => void,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(sweepEveryMs, signal).catch(() => undefined)
      if (!signal.aborted) await this.sweep(services).catch(onError)
    }
  }

  /** Whether it was free. */
  async #create(claim: Claim, { metadata: { namespace, name } }: KubeObject): Promise<boolean> {
    try {
      const value = Buffer.from(JSON.stringify({ namespace, name }))
      await this.#datastore.commit({ op: 'create', key: prefix + claim, value })
      return true
    } catch (error) {
      if (error instanceof ConflictError) return false
      throw error
    }
  }

  async #remove(claim: Claim): Promise<void> {
    const { entries } = await this.#datastore.read(prefix + claim, { limit: 1 })
    const entry = entries.find(({ key }) => key === prefix + claim)
    if (entry) await this.#delete(entry)
  }

  async #delete({ key, revision }: Entry): Promise<void> {
    await this.#datastore.commit({ op: 'delete', key, revision }).catch(error => {
      if (!(error instanceof ConflictError)) throw error
    })
  }
}

const isMine = (result: PromiseSettledResult<boolean>) => result.status === 'fulfilled' && result.value
