/** Leader election by Lease, with client-go's timing: 15 s lease, 10 s to renew it, 2 s between tries. */
import { ignoreNotFound, isAlreadyExists, isConflict } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import type { Clock } from '../../bootstrap/client/clock.ts'
import { type Lease, leases } from '../../bootstrap/client/resources.ts'
import { microTimestamp } from './time.ts'

export interface LeaderOptions {
  readonly client: Client
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
  readonly random: () => number
  readonly signal: AbortSignal
  /** The Lease's name and namespace. */
  readonly name: string
  readonly namespace: string
  /** Tells this candidate from the others. */
  readonly identity: string
}

const leaseMs = 15_000
const renewWithinMs = 10_000
const retryMs = 2000

/**
 * Calls `lead` whenever this candidate holds the lease; the signal it gets aborts when the lease is lost, after which the
 * candidate waits for its next turn. Resolves when the options' signal aborts, having released the lease.
 */
export async function runAsLeader(options: LeaderOptions, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const { signal, clock, log, random } = options
  const candidate = new Candidate(options)
  while (!signal.aborted) {
    if (!(await candidate.tryAcquire())) {
      await clock.sleep(retryMs * (1 + random() * 0.2), signal).catch(() => {})
      continue
    }
    log.info({ lease: options.name, identity: options.identity }, 'became leader')
    const term = new AbortController()
    const leading = lead(AbortSignal.any([term.signal, signal])).catch(error => {
      if (!term.signal.aborted && !signal.aborted) log.warn({ lease: options.name, err: error }, 'leader stopped')
    })
    await hold(candidate, options)
    term.abort(new Error('leader lease lost'))
    await leading
    if (signal.aborted) await candidate.release()
    else log.warn({ lease: options.name }, 'lost the leader lease')
  }
}

/** Returns when the lease could not be renewed in time. */
async function hold(candidate: Candidate, { clock, signal }: LeaderOptions): Promise<void> {
  let renewed = clock.now()
  while (!signal.aborted && clock.now() - renewed < renewWithinMs) {
    await clock.sleep(retryMs, signal).catch(() => {})
    if (signal.aborted) return
    const started = clock.now()
    const outcome = await candidate.renew()
    if (outcome === 'lost') return
    if (outcome === 'renewed') renewed = started
  }
}

class Candidate {
  readonly #options: LeaderOptions
  #seen: { version: string; at: number } | undefined
  #held: Lease | undefined

  constructor(options: LeaderOptions) {
    this.#options = options
  }

  /** Takes the lease if nobody holds it or its holder has not renewed it for its duration, by this machine's clock. */
  async tryAcquire(): Promise<boolean> {
    const { client, clock, identity, log } = this.#options
    try {
      const lease = await this.#read()
      if (!lease) {
        this.#held = await client.create(leases, this.#written(undefined))
        return true
      }
      const holder = lease.spec.holderIdentity ?? ''
      if (holder !== '' && holder !== identity && !this.#expired(lease, clock.now())) return false
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

  async #read(): Promise<Lease | undefined> {
    const { client, name, namespace } = this.#options
    return await client.get(leases, { name, namespace }).catch(ignoreNotFound)
  }

  #expired(lease: Lease, now: number): boolean {
    const version = lease.metadata.resourceVersion ?? ''
    if (this.#seen?.version !== version) this.#seen = { version, at: now }
    return now - this.#seen.at > (lease.spec.leaseDurationSeconds ?? leaseMs / 1000) * 1000
  }

  #written(old: Lease | undefined): Lease {
    const { clock, identity, name, namespace } = this.#options
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
        leaseDurationSeconds: leaseMs / 1000,
        acquireTime: mine ? old?.spec.acquireTime : now,
        renewTime: now,
        leaseTransitions: old && !mine ? transitions + 1 : transitions,
      },
    }
  }
}
