/** Leader election by Lease, with client-go's timing unless told otherwise: 15 s lease, 10 s to renew it, 2 s between tries. */
import { parseDuration } from '../../bootstrap/api/time.ts'
import type { Client } from '../../bootstrap/client/client.ts'
import { fencedClient } from './fenced-client.ts'
import { type CandidateOptions, LeaseCandidate } from './lease-candidate.ts'

export interface ElectionTiming {
  readonly leaseMs: number
  /** A leader that could not renew for so long leads no more. */
  readonly renewWithinMs: number
  readonly retryMs: number
}

export interface LeaderOptions extends Omit<CandidateOptions, 'leaseMs'> {
  readonly random: () => number
  readonly signal: AbortSignal
  readonly timing?: ElectionTiming
}

/** What a leader works with; over as soon as it may no longer be the leader. */
export interface Term {
  readonly signal: AbortSignal
  /** Refuses what comes after the term, even from someone who has not noticed its end. */
  readonly client: Client
}

const upstream: ElectionTiming = { leaseMs: 15_000, renewWithinMs: 10_000, retryMs: 2000 }
const releaseWithinMs = 1000
/** What has been begun may end before somebody else begins; not for longer, for the others wait. */
const releaseAfterMs = 1000

/**
 * From the arguments leader-elect-lease-duration, -renew-deadline and -retry-period, "name=value" each; others are left to
 * others. Throws for values that make no sense, by upstream's rules.
 */
export function electionTiming(args: readonly string[]): ElectionTiming {
  const given = (name: string) => {
    const arg = args.findLast(one => one.replace(/^--/, '').startsWith(`leader-elect-${name}=`))
    if (arg === undefined) return undefined
    const ms = parseDuration(arg.slice(arg.indexOf('=') + 1))
    if (ms === undefined || ms <= 0) throw new Error(`invalid ${arg}: want a duration such as 15s`)
    return ms
  }
  const timing = {
    leaseMs: given('lease-duration') ?? upstream.leaseMs,
    renewWithinMs: given('renew-deadline') ?? upstream.renewWithinMs,
    retryMs: given('retry-period') ?? upstream.retryMs,
  }
  if (timing.leaseMs <= timing.renewWithinMs)
    throw new Error('leader-elect-lease-duration must be greater than leader-elect-renew-deadline')
  if (timing.renewWithinMs <= timing.retryMs * 1.2)
    throw new Error('leader-elect-renew-deadline must be greater than leader-elect-retry-period times 1.2')
  return timing
}

/**
 * Calls `lead` whenever this candidate holds the lease; its term ends when the lease is lost, after which the candidate
 * waits for its next turn. Resolves when the options' signal aborts, having released the lease.
 */
export async function runAsLeader(options: LeaderOptions, lead: (term: Term) => Promise<void>): Promise<void> {
  const { signal, clock, log, timing = upstream } = options
  const candidate = new LeaseCandidate({ ...options, leaseMs: timing.leaseMs })
  while (!signal.aborted) {
    const began = options.elapsed()
    // A silent datastore may take the lease for us later; the next try finds it to be ours.
    const late = quietly(clock.sleep(timing.renewWithinMs, signal)).then(() => false)
    if (!(await Promise.race([candidate.tryAcquire(), late]))) {
      await nextTry(candidate, options)
      continue
    }
    const lease = { lease: options.name, identity: options.identity }
    log.info(lease, 'became leader')
    const tenure = new Tenure(options, timing, began)
    const leading = lead(tenure.term).catch(error => {
      if (!tenure.term.signal.aborted) log.warn({ ...lease, err: error }, 'leader stopped')
    })
    await tenure.hold(candidate)
    if (!signal.aborted) log.warn(lease, 'lost the leader lease')
    // What hangs on the datastore cannot write any more: a term of its own begins without it.
    const patienceMs = signal.aborted ? releaseAfterMs : timing.leaseMs
    await Promise.race([leading, quietly(clock.sleep(patienceMs, new AbortController().signal))])
  }
  const late = clock.sleep(releaseWithinMs, new AbortController().signal)
  await Promise.race([candidate.release(), quietly(late)])
}

const quietly = (work: Promise<void>) => work.catch(() => {})

/** Until it is time to try again, or somebody lets go of the lease. */
async function nextTry(candidate: LeaseCandidate, options: LeaderOptions): Promise<void> {
  const { signal, clock, random, timing = upstream } = options
  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const soon = quietly(clock.sleep(timing.retryMs * (1 + random() * 0.2), until))
  const released = candidate.released(until)
  await Promise.race([soon, released])
  over.abort()
}

/** One term of leadership, from the moment the lease was asked for. */
class Tenure {
  readonly term: Term
  readonly #options: LeaderOptions
  readonly #timing: ElectionTiming
  readonly #over = new AbortController()
  #renewed: number
  #failed = false

  constructor(options: LeaderOptions, timing: ElectionTiming, began: number) {
    this.#options = options
    this.#timing = timing
    this.#renewed = began
    const signal = AbortSignal.any([this.#over.signal, options.signal])
    this.term = { signal, client: fencedClient(options.client, () => !signal.aborted && this.#left > 0) }
  }

  /** Returns when the lease could not be renewed in time, or is somebody else's, or the options' signal has aborted. */
  async hold(candidate: LeaseCandidate): Promise<void> {
    const { clock, elapsed, signal } = this.#options
    try {
      while (!signal.aborted && this.#left > 0) {
        await quietly(clock.sleep(Math.min(this.#untilNext, this.#left), signal))
        if (signal.aborted || this.#left <= 0) return
        const asked = elapsed()
        const outcome = await Promise.race([candidate.renew(), this.#tooLate()])
        if (outcome === 'lost') return
        if (outcome === 'renewed') this.#renewed = asked
        this.#failed = outcome !== 'renewed'
      }
    } finally {
      this.#over.abort(new Error('leader lease lost'))
    }
  }

  /**
   * Whoever holds several leases renews them in the same moment: the datastore commits them together. A renewal that failed is
   * tried again every retryMs, as upstream renews always; one that succeeded gives more time, so that an idle server does little.
   */
  get #untilNext(): number {
    const { retryMs, renewWithinMs } = this.#timing
    const every = this.#failed ? retryMs : Math.max(retryMs, renewWithinMs * 0.4)
    const ms = Math.ceil(every - (this.#options.elapsed() % every))
    return ms < every / 10 ? ms + every : ms
  }

  get #left(): number {
    return this.#timing.renewWithinMs - (this.#options.elapsed() - this.#renewed)
  }

  async #tooLate(): Promise<'failed'> {
    await quietly(this.#options.clock.sleep(this.#left, this.#options.signal))
    return 'failed'
  }
}
