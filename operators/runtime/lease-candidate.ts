/** One candidate's dealings with the Lease that says who leads. */
import { ignoreNotFound, isAlreadyExists, isConflict } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import type { Clock } from '../../bootstrap/client/clock.ts'
import { type Lease, leases } from '../../bootstrap/client/resources.ts'
import { microTimestamp } from './time.ts'

export interface CandidateOptions {
  readonly client: Client
  readonly clock: Clock
  /** Milliseconds of a clock that nobody sets. */
  readonly elapsed: () => number
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** The Lease's name and namespace. */
  readonly name: string
  readonly namespace: string
  /** Tells this candidate from the others. */
  readonly identity: string
  readonly leaseMs: number
}

export class LeaseCandidate {
  readonly #options: CandidateOptions
  #seen: { version: string; at: number } | undefined
  #held: Lease | undefined

  constructor(options: CandidateOptions) {
    this.#options = options
  }

  /** Takes the lease if nobody holds it or its holder has not renewed it for its duration, by this machine's clock. */
  async tryAcquire(): Promise<boolean> {
    const { client, elapsed, identity, log } = this.#options
    try {
      const lease = await this.#read()
      if (!lease) {
        this.#held = await client.create(leases, this.#written(undefined))
        return true
      }
      const holder = lease.spec.holderIdentity ?? ''
      if (holder !== '' && holder !== identity && !this.#expired(lease, elapsed())) return false
      this.#held = await client.update(leases, this.#written(lease))
      return true
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error))
        log.warn({ lease: this.#options.name, error: String(error) }, 'cannot acquire the leader lease')
      return false
    }
  }

  async renew(): Promise<'renewed' | 'failed' | 'lost'> {
    const { client, identity } = this.#options
    try {
      this.#held = await client.update(leases, this.#written(this.#held))
      return 'renewed'
    } catch (error) {
      if (!isConflict(error)) return 'failed'
      const lease = await this.#read().catch(() => undefined)
      if (lease && lease.spec.holderIdentity !== identity) return 'lost'
      this.#held = lease
      return 'failed'
    }
  }

  async release(): Promise<void> {
    if (!this.#held) return
    const spec = { ...this.#held.spec, holderIdentity: '', leaseDurationSeconds: 1 }
    await this.#options.client.update(leases, { ...this.#held, spec }).catch(() => {})
  }

  /** Resolves once the lease is seen to be nobody's; never, when it cannot be watched. */
  async released(signal: AbortSignal): Promise<void> {
    const { client, name, namespace } = this.#options
    const options = { namespace, fieldSelector: `metadata.name=${name}`, resourceVersion: '0' }
    try {
      for await (const event of client.watch(leases, options, signal)) {
        if (event.type === 'DELETED' || (event.type !== 'BOOKMARK' && !event.object.spec.holderIdentity)) return
      }
    } catch {
      // Looking now and then finds it, too.
    }
    await new Promise(() => {})
  }

  async #read(): Promise<Lease | undefined> {
    const { client, name, namespace } = this.#options
    return await client.get(leases, { name, namespace }).catch(ignoreNotFound)
  }

  #expired(lease: Lease, now: number): boolean {
    const version = lease.metadata.resourceVersion ?? ''
    if (this.#seen?.version !== version) this.#seen = { version, at: now }
    const { leaseMs } = this.#options
    return now - this.#seen.at > (lease.spec.leaseDurationSeconds ?? leaseMs / 1000) * 1000
  }

  #written(old: Lease | undefined): Lease {
    const { clock, identity, leaseMs, name, namespace } = this.#options
    const now = microTimestamp(clock.now())
    const mine = old?.spec.holderIdentity === identity
    const transitions = old?.spec.leaseTransitions ?? 0
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: old?.metadata ?? { name, namespace },
      spec: {
        ...old?.spec,
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(leaseMs / 1000),
        acquireTime: mine ? old?.spec.acquireTime : now,
        renewTime: now,
        leaseTransitions: old && !mine ? transitions + 1 : transitions,
      },
    }
  }
}
